"""Annotators turn images into scores, features or regions. A function becomes one by a decorator: `attributes`, or `region`."""

from pipeline.annotators.functions import attributes, region

__all__ = ["attributes", "region"]
