"""The page: its sections in order. It asks for nothing: no script, no font, no request.

A section is a file of facts here, a template of the same name, and a line of `SECTIONS`.
"""

from pipeline.catalog.report import (
    carriage,
    components,
    directions,
    effects,
    jacobian,
    judges,
    learning_curve,
    overview,
    preservation,
    ranked,
    samples,
    settings,
    stability,
    timesteps,
)
from pipeline.catalog.report.findings import LARGE, Findings
from pipeline.catalog.templates import render

SECTIONS = {  # by name, which is also the anchor, with hyphens; a section without facts is left out
    "samples": ("Samples", samples.facts),
    "carriage": ("Where attributes live", carriage.facts),
    "directions": ("Directions", directions.facts),
    "effects": ("Effects", effects.facts),
    "judges": ("By other judges", judges.facts),
    "preservation": ("What is left alone", preservation.facts),
    "ranked": ("Unsupervised directions, ranked", ranked.facts),
    "components": ("Principal components", components.facts),
    "jacobian": ("Directions of single images", jacobian.facts),
    "learning_curve": ("Learning curves: how many samples", learning_curve.facts),
    "timesteps": ("By timestep", timesteps.facts),
    "stability": ("Stability of the directions", stability.facts),
    "settings": ("Settings and files", settings.facts),
}


def page(findings: Findings) -> str:
    """The whole report as HTML. Same findings, same text."""
    sections = [(name, title, facts(findings)) for name, (title, facts) in SECTIONS.items()]
    return render(
        "page.html.j2",
        catalog=findings.catalog,
        large=LARGE,
        overview=overview.facts(findings),
        sections=[section for section in sections if section[2] is not None],
    )
