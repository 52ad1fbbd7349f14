"""What an edit does, to be seen: strips of edited images, curves of effects by strength, and cards that have both."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import pandas as pd

from pipeline.catalog.report.charts import Chart, Line, Tick, chart, number_ticks, strength_ticks
from pipeline.catalog.report.findings import Findings, Measured, Row
from pipeline.catalog.templates import words
from schemas.edits import UNEDITED

Images = tuple[bytes | None, ...]  # one a strength; None where there is none


@dataclass(frozen=True)
class Strip:
    """Images by strength, a row a held-out sample, the unedited ones in their place at 0.

    `own` are those of the sample that the direction was found on: a row above the others.
    """

    name: str
    strengths: tuple[float, ...]
    rows: tuple[Images, ...]
    best: int | None = None  # which of the strengths
    own: Images = ()


@dataclass(frozen=True)
class Card:
    """An unsupervised direction, edited to both ends. `at` is its capture point, where that is told."""

    row: Row
    at: str | None
    profile: Row | None
    strip: Strip | None
    curves: Chart | None


def card(findings: Findings, row: Row, n: int) -> Card:
    """n held-out samples, below the sample that the direction was found on, where it was found on one."""
    profile, measured = findings.profiles.get(row["name"]), findings.evaluation(row["name"])
    if measured is None:
        return Card(row, findings.at(row), profile, None, None)
    ends = measured.ends(row["name"])
    edits = strip(measured, row["name"], ends, n)
    own = tuple(findings.origins.get((row["name"], index)) for _, index in _in_order(measured, row["name"], ends))
    edits = replace(edits, own=own if any(own) else ())
    return Card(row, findings.at(row), profile, edits, _small_curves(findings, measured, row))


def by_rank(findings: Findings, rows: list[Row]) -> list[Row]:
    """The most useful first; those that were not measured last."""
    return sorted(
        rows, key=lambda row: (findings.profiles.get(row["name"]) or {}).get("rank") or len(findings.profiles) + 1
    )


def strip(measured: Measured, name: str, indices: Iterable[int], n: int, best: int | None = None) -> Strip:
    """n held-out samples at these strengths; `best` is one of them. Strengths are named by their indices."""
    at = _in_order(measured, name, indices)
    columns = [measured.images.get(("unedited" if i == UNEDITED else name, i), [])[:n] for _, i in at]
    n_rows = max(map(len, columns), default=0)
    rows = tuple(tuple(column[i] if i < len(column) else None for column in columns) for i in range(n_rows))
    places = {index: place for place, (_, index) in enumerate(at)}
    return Strip(name, tuple(strength for strength, _ in at), rows, None if best is None else places[best])


def _in_order(measured: Measured, name: str, indices: Iterable[int]) -> list[tuple[float, int]]:
    """Strengths of a direction with their indices as they rise, the unedited one among them."""
    return sorted([(0.0, UNEDITED), *((measured.strengths[name][index], index) for index in indices)])


def curves(findings: Findings, measured: Measured, row: Row, y: list[Tick]) -> Chart:
    """Effect by strength of the target and of everything else; an edit of strength 0 changes nothing."""
    own = measured.effects[measured.effects["direction"] == row["name"]]
    return _curves(own, _lines(findings, own, row["attribute"]), y, (470, 340))


def _small_curves(findings: Findings, measured: Measured, row: Row) -> Chart | None:
    """The same of an unsupervised direction: its target is what it moves most, and alone has a label."""
    own = measured.effects[measured.effects["direction"] == row["name"]]
    if own["effect"].isna().all():
        return None
    top = max(1.0, float(own["effect"].abs().max()))
    lines = _lines(findings, own, (findings.profiles.get(row["name"]) or {}).get("target"))
    lines = [line if line.css == "target" else replace(line, label="") for line in lines]
    return _curves(own, lines, number_ticks(-top, top, 4), (360, 190))


def _curves(own: pd.DataFrame, lines: list[Line], y: list[Tick], size: tuple[int, int]) -> Chart:
    return chart(lines, strength_ticks(own["strength"].unique().tolist()), y, band=_band(own), baseline=0.0, size=size)


def _lines(findings: Findings, own: pd.DataFrame, target: str | None) -> list[Line]:
    """The target's last, above the others."""
    lines = [_curve(own, name, "other") for name in findings.attributes if name != target]
    return [*lines, _curve(own, target, "target")] if target in findings.attributes else lines


def _curve(effects: pd.DataFrame, attribute: str, css: str) -> Line:
    own = effects[effects["attribute"] == attribute].sort_values("strength")
    points = [(float(gamma), float(effect), 2 * _error(std, n)) for gamma, effect, std, n in _columns(own)]
    points = sorted(points + [(0.0, 0.0, 0.0)])
    errors = tuple(error for _, _, error in points) if css == "target" else ()
    return Line(words(attribute), tuple((gamma, effect) for gamma, effect, _ in points), css, errors)


def _columns(effects: pd.DataFrame) -> Iterator[tuple[float, float, float, int]]:
    return zip(effects["strength"], effects["effect"], effects["std"], effects["n"], strict=True)


def _error(std: float, n: int) -> float:
    """Standard error of a mean over n samples; 0 where none has a score."""
    return float(std / n**0.5) if n else 0.0


def _band(effects: pd.DataFrame) -> list[tuple[float, float, float]]:
    """Return, at every strength, plus and minus the largest control limit of any attribute for a random direction of that norm."""
    limits = effects.groupby("strength")["control_limit"].max().dropna()
    if limits.empty:
        return []
    at = {0.0: 0.0, **{float(gamma): float(limit) for gamma, limit in limits.items()}}
    return [(gamma, -at[gamma], at[gamma]) for gamma in sorted(at)]
