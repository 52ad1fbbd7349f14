"""Bundles of plugs: a model, its annotator and judges, attributes and regions."""
