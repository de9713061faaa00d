"""GoogLeNet as paddle.vision has it: two auxiliary heads, no batch norm."""
