"""`python -m xframe` is the command `xframe`."""

from xframe.cli import main

main()
