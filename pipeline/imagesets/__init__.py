"""Sets of real images, by row and with names."""
