"""Optimizers: as one says them, as each framework computes them, and their states as files."""
