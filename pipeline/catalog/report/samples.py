"""Unedited samples."""

from pipeline.catalog.report.findings import Findings


def facts(findings: Findings) -> list[bytes] | None:
    """Their PNGs."""
    return findings.samples or None
