"""Unedited samples."""

from pipeline.catalog.explorer.findings import Findings


def facts(findings: Findings) -> list[bytes] | None:
    """Their thumbnails."""
    return findings.samples or None
