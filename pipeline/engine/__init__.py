"""Runs any stages: what one is, where its parts lie, what is missing, and who makes it. It knows nothing of diffusion."""
