"""Directions that nobody labelled, named by what they were measured to do, the most useful first."""

from pipeline.catalog.report import tables
from pipeline.catalog.report.findings import Findings, Row
from pipeline.catalog.report.markup import Child, Html, amount, el, join, signed, words

_NOTE = (
    "Each is named by its significant effects, beyond those of random directions, at the farthest measured strength at which "
    "images still are the model's own. Useful is the effect on what it moves most less the largest effect on anything else. The "
    "strength per SD moves the target by one standard deviation: † marks those at which images were not measured to be the "
    "model's own, ‡ those that were not verified on images, and § those by the fall of the target at minus the strength: it "
    "does not rise so far. The nearest supervised direction is by the cosine of whole trajectories, and in brackets at the step "
    "where it is nearest; “same” marks those that are nearly that direction."
)
_HEADINGS = ("", "what it does", "found as", "useful", "strength per SD", "valid range", "nearest supervised", "cosine")
SHOWN = 30


def section(findings: Findings) -> Html | None:
    rows = findings.ranked
    if not rows:
        return None
    return join(
        el("p", _NOTE, class_="note"),
        tables.figures(_HEADINGS, [_line(row) for row in rows[:SHOWN]], css="named"),
        el("p", f"{len(rows) - SHOWN} more are in profiles.parquet.", class_="note") if len(rows) > SHOWN else None,
    )


def _line(row: Row) -> list[Child]:
    found, _, method = row["direction"].partition("/")
    return [
        f"{row['rank']}",
        el("strong", row["label"]) if row["label"] else "not measured",
        found if method == "principal-components" else f"{found}, {words(method)}",
        amount(row["usefulness"] or 0.0),
        _strength_per_sd(row),
        f"{signed(row['valid_low'], 1)} to {signed(row['valid_high'], 1)}",
        _short(row["nearest"]) if row["nearest"] else "–",
        _cosine(row),
    ]


def _strength_per_sd(row: Row) -> str:
    if row["strength_per_sd"] is None:
        return "–"
    doubts = {"†": row["strength_in_range"] is False, "‡": not row["verified"], "§": row["strength_by"] == "fall"}
    return " ".join([signed(row["strength_per_sd"]), *(mark for mark, doubted in doubts.items() if doubted)])


def _short(name: str) -> str:
    """`smile/mean-difference/disentangled` -> smile, mean difference, disentangled."""
    attribute, *made = name.split("/")
    return ", ".join([attribute, *map(words, made)])


def _cosine(row: Row) -> str:
    if row["nearest_cosine"] is None:
        return "–"
    largest = max(row["nearest_cosine_by_step"], key=abs)
    mark = ", same" if row["duplicate"] else ""
    return f"{signed(row['nearest_cosine'])} ({signed(largest)}){mark}"


def heading(findings: Findings, row: Row, label: str) -> Html:
    """Of a card: what the direction does, and as what it was found."""
    profile = findings.profiles.get(row["name"])
    if profile is None or not profile["label"]:
        return el("h3", label, el("small", "not measured"))
    return el("h3", profile["label"], el("small", f"{label}, rank {profile['rank']}"))


def by_rank(findings: Findings, rows: list[Row]) -> list[Row]:
    """The most useful first; those that were not measured last."""
    return sorted(
        rows, key=lambda row: (findings.profiles.get(row["name"]) or {}).get("rank") or len(findings.profiles) + 1
    )
