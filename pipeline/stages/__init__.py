"""The stages, thin: they read parts, call the science, and write parts."""
