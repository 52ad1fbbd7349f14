"""The product, a folder that needs none of the rest: editing with it, its card and its explorer."""
