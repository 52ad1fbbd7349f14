"""From scores and images to figures."""
