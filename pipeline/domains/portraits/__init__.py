"""Drawn portraits: two models, an annotator and a judge, and the renderer that made what they were trained on.

The second model differs from the first in its skip connections alone, which are open, as U-Nets usually have them.
"""

from pathlib import Path

MODEL = Path(__file__).parent / "model"
OPEN_SKIPS = Path(__file__).parent / "model_open_skips"
