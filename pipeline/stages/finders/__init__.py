"""Finders turn activations and labels into directions, each with the same table."""
