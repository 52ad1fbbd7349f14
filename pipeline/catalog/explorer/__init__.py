"""The explorer: static pages of a catalog, made from its folder alone. Facts of the findings, and a template of each page."""
