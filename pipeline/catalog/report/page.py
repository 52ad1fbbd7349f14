"""The page: its sections in order, and the style sheet. It asks for nothing: no script, no font, no request."""

from pathlib import Path

from pipeline.catalog.report import (
    components,
    edits,
    jacobian,
    judges,
    learning_curve,
    matrices,
    overview,
    preservation,
    settings,
    stability,
    steps,
    unsupervised,
)
from pipeline.catalog.report.findings import Findings
from pipeline.catalog.report.markup import Html, el, join

STYLE = Path(__file__).with_name("style.css")


def page(findings: Findings) -> str:
    """The whole report as HTML. Same findings, same text."""
    sections = [
        ("samples", "Samples", overview.gallery(findings)),
        ("directions", "Directions", edits.section(findings)),
        ("effects", "Effects", matrices.section(findings)),
        ("judges", "By other judges", judges.section(findings)),
        ("preservation", "What is left alone", preservation.section(findings)),
        ("ranked", "Unsupervised directions, ranked", unsupervised.section(findings)),
        ("components", "Principal components", components.section(findings)),
        ("jacobian", "Directions of single images", jacobian.section(findings)),
        ("learning-curve", "Learning curves: how many samples", learning_curve.section(findings)),
        ("timesteps", "By timestep", steps.section(findings)),
        ("stability", "Stability of the directions", stability.section(findings)),
        ("settings", "Settings and files", settings.section(findings)),
    ]
    present = [(anchor, title, body) for anchor, title, body in sections if body]
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", f"Directions of {findings.catalog.model.name}"),
        el("style", Html(STYLE.read_text())),
    )
    main = el(
        "main",
        overview.header(findings),
        el("nav", *(el("a", title, href=f"#{anchor}") for anchor, title, _ in present)),
        join(*(el("section", el("h2", title), body, id=anchor) for anchor, title, body in present)),
    )
    return "<!doctype html>\n" + el("html", head, el("body", main), lang="en") + "\n"
