"""Where directions are found: images with their h at every step."""
