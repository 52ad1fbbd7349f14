"""Handwritten digits: an ordinary small diffusion model of real images, and attributes that plain functions measure."""

from pathlib import Path

MODEL = Path(__file__).parent / "model"
