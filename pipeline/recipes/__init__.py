"""Wiring: from a run's settings to stages."""
