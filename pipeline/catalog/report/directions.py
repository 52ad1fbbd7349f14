"""What each supervised direction does: a strip of edits, and beside it its effect by strength."""

from dataclasses import dataclass

import pandas as pd

from pipeline.catalog.doubts import of_template
from pipeline.catalog.report.charts import Chart, Tick, number_ticks
from pipeline.catalog.report.findings import Findings, Group, Row
from pipeline.catalog.report.strips import Strip, curves, strip

SHOWN, SHOWN_FOLDED = 6, 3  # held-out samples in a strip


@dataclass(frozen=True)
class Article:
    """One direction. `best` is its row of the group's best strengths; `judged`, whether its judge scores its attribute."""

    row: Row
    at: str | None  # the capture point, where that is told
    group: Group
    profile: Row | None
    template: bool  # rather than a meaning
    best: pd.Series | None
    judged: bool
    strip: Strip | None
    curves: Chart | None


@dataclass(frozen=True)
class Articles:
    """Those of a group."""

    group: Group
    articles: list[Article]


def facts(findings: Findings) -> list[Articles] | None:
    """The group to use first, with more samples than the others."""
    y = _effect_ticks(findings.effects([row["name"] for row in findings.supervised]))
    return [
        Articles(group, [_article(findings, group, row, y, SHOWN_FOLDED if i else SHOWN) for row in group.rows])
        for i, group in enumerate(findings.groups)
    ] or None


def _article(findings: Findings, group: Group, row: Row, y: list[Tick], n: int) -> Article:
    name, measured = row["name"], findings.evaluation(row["name"])
    best = group.best.loc[name] if name in group.best.index else None
    chosen = None if best is None else int(best["strength_index"])
    return Article(
        row,
        findings.at(row),
        group,
        findings.profiles.get(name),
        bool(of_template(findings.profiles.get(name, {}))),
        best,
        judged=measured is not None and row["attribute"] in set(measured.effects["attribute"]),
        strip=strip(measured, name, measured.strengths[name], n, chosen) if measured else None,
        curves=curves(findings, measured, row, y) if measured else None,
    )


def _effect_ticks(effects: pd.DataFrame) -> list[Tick]:
    """One symmetric scale for all charts."""
    top = max(1.0, float(effects["effect"].abs().max())) if len(effects) else 1.0
    return number_ticks(-top, top, 8)
