"""Models are found by a folder or a hub id, and become networks that are ready to run."""
