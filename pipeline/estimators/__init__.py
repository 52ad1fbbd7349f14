"""Estimators turn activations and scores into directions: arrays in, arrays out."""
