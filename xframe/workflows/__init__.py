"""The workflows, one file each: what a command does, as a function that returns a result."""
