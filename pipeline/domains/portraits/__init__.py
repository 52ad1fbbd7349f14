"""Drawn portraits: a model, an annotator and a judge, and the renderer that made what they were trained on."""

from pathlib import Path

MODEL = Path(__file__).parent / "model"
