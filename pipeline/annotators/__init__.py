"""Annotators turn images into scores, features or regions."""
