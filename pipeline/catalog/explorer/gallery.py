"""The gallery: every direction with what it does in small, to be filtered and sorted."""

from dataclasses import dataclass

from pipeline.catalog.explorer.direction import called, heading, warnings
from pipeline.catalog.explorer.findings import Findings, Headline
from pipeline.catalog.explorer.groups import Row, title
from pipeline.catalog.explorer.links import Links
from pipeline.catalog.explorer.measured import Measured
from pipeline.catalog.explorer.strips import Images, strip
from pipeline.catalog.explorer.where_it_acts import largest
from pipeline.catalog.templates import Facts, words

SHOWN = 2  # held-out samples a card


@dataclass(frozen=True)
class Card:
    """A direction, edited at the strength of its figures, and to the other side as far as its valid range goes."""

    name: str
    page: str
    title: str
    found_as: str
    called: str
    kind: str  # supervised, component, single image
    method: str
    target: str | None
    at: str | None  # the capture point, where that is told
    recommended: bool
    rank: int | None
    confirmed_n: int | None  # samples of the title, where none of them had a part in the rank
    headline: Headline | None
    strength_per_sd: float | None
    region: tuple[str, float] | None  # where most of the change lies, by area
    warnings: list[str]
    strengths: tuple[float, ...]
    rows: tuple[Images, ...]


def facts(findings: Findings, links: Links) -> Facts:
    """The cards, those to use first; and what can be chosen by."""
    cards = [_card(findings, row, links) for row in _in_order(findings)]
    return {
        "cards": cards,
        "targets": sorted({card.target for card in cards if card.target}),
        "methods": sorted({card.method for card in cards}),
        "local": any(card.region for card in cards),
    }


def _in_order(findings: Findings) -> list[Row]:
    """The recommended ones, the other supervised ones by their groups, then the unsupervised ones by their ranks."""
    first = {name: place for place, name in enumerate(findings.catalog.recommended.values())}
    grouped = [row for group in findings.groups for row in group.rows]
    rest = findings.by_rank([row for row in findings.directions if row not in grouped])
    return sorted([*grouped, *rest], key=lambda row: first.get(row["name"], len(first)))


def _card(findings: Findings, row: Row, links: Links) -> Card:
    name = row["name"]
    profile, measured = findings.profiles.get(name) or {}, findings.evaluation(name)
    target = row["attribute"] or profile.get("target")
    headline = findings.headline(name)
    shown = strip(measured, name, _shown(measured, name, profile, headline), SHOWN) if measured else None
    ratios = []
    if measured and findings.regions:
        edit = name, measured.ends(name)[-1]
        ratios = [(words(region), findings.local(edit, region)) for region in findings.regions]
    return Card(
        name,
        links.page(name),
        heading(findings, row),
        title(row),
        called(findings, row),
        "supervised" if row["attribute"] else "component" if row["mask"] is None else "single image",
        words(row["method"]) + (", disentangled" if row["parents"] else ""),
        target and words(target),
        findings.at(row),
        name in findings.catalog.recommended.values(),
        profile.get("rank"),
        profile.get("confirmed_n"),
        headline,
        profile.get("strength_per_sd"),
        largest(ratios),
        warnings(findings, row),
        shown.strengths if shown else (),
        shown.rows if shown else (),
    )


def _shown(measured: Measured, name: str, profile: Row, headline: Headline | None) -> list[int]:
    """The indices of the strength of its figures, and of the farthest on the other side inside the valid range, or else of all."""
    strengths = measured.strengths[name]
    if headline is None:
        return list(measured.ends(name))
    chosen = min(strengths, key=lambda index: abs(strengths[index] - headline.strength))
    others = {index: each for index, each in strengths.items() if each * strengths[chosen] < 0}
    low, high = profile.get("valid_low") or 0.0, profile.get("valid_high") or 0.0
    valid = {index: each for index, each in others.items() if low - 1e-5 <= each <= high + 1e-5}
    far = max(valid or others, key=lambda index: abs(others[index]), default=chosen)
    return list(dict.fromkeys((chosen, far)))
