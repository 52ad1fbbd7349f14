"""Metrics turn scores and images into figures."""
