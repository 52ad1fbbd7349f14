"""Unedited samples."""

from pipeline.catalog.report.findings import Findings


def facts(findings: Findings) -> list[bytes] | None:
    """Their thumbnails."""
    return findings.samples or None
