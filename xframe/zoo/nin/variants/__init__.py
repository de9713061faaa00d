"""LeNet-5 once more, written otherwise: the same numbers under other names and shapes."""
