"""Coverage-guided fuzzing of every reader: ``python -m fuzz TARGET``. No part of the package; Linux only (atheris)."""
