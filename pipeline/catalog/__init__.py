"""The product, a folder that needs none of the rest: its card and its report."""
