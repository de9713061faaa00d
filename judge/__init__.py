"""The judge: right ports are spoilt at random, and the diff has to say so. `python -m judge --help`."""
