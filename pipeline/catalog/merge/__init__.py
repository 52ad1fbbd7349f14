"""Catalogs of one model into one, with where each direction came from."""
