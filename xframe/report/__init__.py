"""Results as text for people. Pure functions of results: nothing here measures, decides or writes a file."""

from xframe.report.tables import render_checkpoint, render_layers, render_models, render_plan
from xframe.report.text import render_check, render_convert, render_diagnosis, render_port

__all__ = [
    "render_check", "render_checkpoint", "render_convert", "render_diagnosis",
    "render_layers", "render_models", "render_plan", "render_port",
]  # fmt: skip
