"""Two catalogs side by side: what appeared, what vanished, what moved, and how sure that is."""
