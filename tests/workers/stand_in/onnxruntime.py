"""A second framework that starts in no time."""

import os

import faulty

__version__ = "stand-in"
faulty.FAULTS[os.environ.get("FAULT_AT_IMPORT", "none")]()
