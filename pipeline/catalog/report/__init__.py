"""The report: one HTML page that shows what a catalog's directions do. Tables and images in, markup out."""
