"""What a catalog says of its directions, read off its tables, its card and its pages, to be laid side by side. Imported by name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.metrics.best import reported
from tests.parsed import parse

OF_STRENGTH = ("strength", "strength per SD", "other sampler")
NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")


@dataclass
class Said:
    """Of one direction, by what it is called there; what is not said has no key. Effects have the sign that is seen."""

    figures: dict[str, float | None] = field(default_factory=dict)
    effects: dict[str, float] = field(default_factory=dict)  # by attribute, in words
    clean: bool | None = None
    name: str | None = None  # the attribute, or the label of an unsupervised one


Told = dict[str, Said]  # by direction


def by_tables(catalog: DirectionCatalog) -> Told:
    """What the tables say of supervised directions where they are published, and the profiles of all."""
    about, judge = catalog.about, catalog.about.evaluations[0].judges[0]
    effects = catalog.table("effects.parquet")
    effects = effects[(effects["judge"] == judge) & ~effects["control"]]
    targets = {each.name: each.attribute for each in about.directions if each.attribute}
    targets = {name: target for name, target in targets.items() if target in set(effects["attribute"])}
    rows = reported(effects, targets, catalog.optional("best.parquet"))
    attributes = sorted(set(effects["attribute"]))
    others = catalog.samplers
    told: Told = {}
    for name, profile in catalog.profiles.items():
        said = told[name] = Said(name=profile["label"] if name not in targets else targets[name].replace("_", " "))
        said.figures = {"strength per SD": profile["strength_per_sd"]}
        said.figures |= {key: profile[key] for key in ("valid_low", "valid_high")}
        for _, row in (each for each in others.items() if each[0][0] == name):
            said.figures["other sampler"] = row["strength_per_sd"]
        if name in rows.index:
            row, sense = rows.loc[name], np.sign(rows.loc[name, "strength"])
            ends = sorted(sense * row[["on_low", "on_high"]].to_numpy(float))
            said.figures |= {"strength": row["strength"], "on": sense * row["on_target"], "off": row["off_target"]}
            said.figures |= {"low": ends[0], "high": ends[1], "ratio": row["ratio"], "n": row["n"]}
            said.figures |= {key: row[key] for key in ("ratio_low", "ratio_high")}
            said.figures |= {"chosen on": row["selection_n"]}
            said.figures = {key: None if pd.isna(value) else float(value) for key, value in said.figures.items()}
            said.effects = {each.replace("_", " "): float(row[each]) for each in attributes}
            said.clean = bool(row["clean"])
    return told


def by_card(text: str) -> Told:
    """The table of directions in README.md."""
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in text[text.index("## What the directions do") :].splitlines()
        if line.startswith("|") and not line.startswith("|--")
    ]
    if not rows:
        return {}
    [head, *rows] = rows
    told: Told = {}
    first = head.index("ratio") + 1
    for cells in rows:
        at = dict(zip(head, cells, strict=True))
        [low, high] = _numbers(at["target, 95 %"]) or [None, None]
        ratio, *ends = _numbers(at["ratio"])
        [bold] = [cell for cell in cells if cell.startswith("**")]
        effects = {
            name.replace("_", " "): _numbers(cell)[0]
            for name, cell in zip(head[first:], cells[first:], strict=True)
            if name != "to know" and _numbers(cell)
        }
        target = head[cells.index(bold)].replace("_", " ")
        said = told[at["direction"].strip("`")] = Said(effects=effects, clean="*" not in at["strength"], name=target)
        said.figures = {
            "strength": _numbers(at["strength"])[0],
            "strength per SD": next(iter(_numbers(at["strength per SD"])), None),
            "on": _numbers(bold)[0],
            "off": max((abs(each) for name, each in effects.items() if name != target), default=None),
            "n": float(at["n"]),
            "chosen on": {"–": None, "the same": 0.0}.get(at["chosen on"], next(iter(_numbers(at["chosen on"])), None)),
            "low": low,
            "high": high,
            "ratio": ratio,
            **dict(zip(("ratio_low", "ratio_high"), [*ends, None][:2] if ends else [None, None], strict=True)),
        }
        if other := next((each for each in ("deterministic", "stochastic") if each in at), None):
            said.figures["other sampler"] = next(iter(_numbers(at[other])), None)
    return told


def by_cards(page: str) -> Told:
    """The cards of the overview, and of the gallery."""
    told: Told = {}
    for card in parse(page).all("article", "card"):
        about, terms = card.attributes, card.one("dl").terms()
        said = told[str(about["data-name"])] = Said(name=card.one(css="name").text)
        said.figures["strength per SD"] = next(iter(_numbers(terms["strength per SD"])), None)
        shown = next((each for each in terms if " at " in each), None)
        if shown:
            said.figures |= {"strength": _numbers(shown)[-1], "on": _numbers(terms[shown])[0]}
            said.figures |= {"off": next(iter(_numbers(terms["else, at most"])), None)}
            assert abs(float(about["data-on"] or "nan") - said.figures["on"]) < 0.0051, (
                "what is sorted by is what is shown"
            )
    return told


def by_effects(page: str, files: Mapping[str, str]) -> Told:
    """The heat maps, whose signs are those of the strength taken out. files: directions by the names of their pages."""
    told: Told = {}
    for table in parse(page).all("table", "matrix"):
        columns = [cell.text for cell in table.one("thead").all("th")]
        if "ratio" not in columns:  # of unsupervised directions, which are at no strength that was chosen
            continue
        for row in table.one("tbody").all("tr"):
            if "control" in row.classes:
                continue
            link = str(row.one("th").one("a").attributes["href"])
            cells = dict(zip(columns, row.all("td"), strict=True))
            gamma = _numbers(cells["γ"].text)[0]
            sense = 1 if gamma > 0 else -1
            effects = {name: sense * _numbers(cell.text)[0] for name, cell in cells.items() if "cell" in cell.classes}
            [target] = [name for name, cell in cells.items() if "target" in cell.classes]
            said = told[files[link.partition("#")[0]]] = Said(effects=effects, name=target)
            said.clean = "*" not in cells["ratio"].text
            said.figures = {"strength": gamma, "on": effects[target], "ratio": _numbers(cells["ratio"].text)[0]}
            said.figures |= {"off": max((abs(each) for name, each in effects.items() if name != target), default=None)}
    return told


def by_page(page: str) -> Said:
    """The page of one direction."""
    document = parse(page)
    terms = document.one("section", id="about").one("dl").terms()
    said = Said(name=document.one("h1").text)
    if "Strength per SD" in terms:
        found = _numbers(terms["Strength per SD"])
        lowers = " lowers " in terms["Strength per SD"]
        said.figures["strength per SD"] = (-found[0] if lowers else found[0]) if found else None
    if other := next((terms[each] for each in terms if each.endswith("samplers")), None):
        said.figures["other sampler"] = None if other.startswith("not reached") else _numbers(other)[0]
    if "Valid range" in terms:
        ends = _numbers(terms["Valid range"])[:2] or [0.0, 0.0]  # "none"
        said.figures |= dict(zip(("valid_low", "valid_high"), ends, strict=True))
    if "At its best strength" in terms:
        strength, on, low, high, *ratio = _numbers(terms["At its best strength"].replace("95 %", ""))
        said.figures |= {"strength": strength, "on": on, "low": low, "high": high}
        if ratio:
            said.figures |= dict(zip(("ratio", "ratio_low", "ratio_high"), [*ratio, None][:3], strict=True))
    return said


def files_of(pages: Mapping[str, str]) -> dict[str, str]:
    """Directions by the names of their pages."""
    index = parse(pages["directions.html"])
    cards = index.all("article", "card")
    return {str(each.one(css="name").one("a").attributes["href"]): str(each.attributes["data-name"]) for each in cards}


def pages_in(folder: Path) -> dict[str, str]:
    """The pages of an explorer on disk."""
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in folder.rglob("*.html")}


def differences(catalog: DirectionCatalog, pages: Mapping[str, str]) -> list[str]:
    """Return in words what the card or a page says otherwise than the tables, and which directions one of them lacks."""
    truth, files = by_tables(catalog), files_of(pages)
    card = by_card(catalog.read("README.md").decode())
    maps = by_effects(pages["effects.html"], files) if "effects.html" in pages else {}
    places = {
        "card": card,
        "gallery": by_cards(pages["directions.html"]),
        "overview": by_cards(pages["index.html"]),
        "effects": maps,
        "page": {name: by_page(pages[file]) for file, name in files.items()},
    }
    shown = {name for name, said in truth.items() if said.effects}
    found = [
        f"{name} is not in {place}" for place in ("card", "effects") for name in sorted(shown - set(places[place]))
    ]
    found += [f"{name} is in {place}" for place in ("card", "effects") for name in sorted(set(places[place]) - shown)]
    found += [f"{name} is not in the gallery" for name in truth if name not in places["gallery"]]
    used = set(catalog.recommended.values())
    found += [f"{name} is not in the overview" for name in used - set(places["overview"])]
    for place, told in places.items():
        for name, said in told.items():
            if name in truth:
                found += [f"{name}, {place}: {each}" for each in _apart(truth[name], said)]
    return found


def _apart(truth: Said, said: Said) -> list[str]:
    known = {key: (truth.figures.get(key), value) for key, value in said.figures.items() if key in truth.figures}
    known |= {name: (truth.effects.get(name), value) for name, value in said.effects.items()}
    found = [f"{key} {value}, not {was}" for key, (was, value) in known.items() if not _same(key, was, value)]
    if said.clean is not None and truth.clean is not None and said.clean != truth.clean:
        found.append(f"clean {said.clean}, not {truth.clean}")
    if truth.name and said.name and said.name != truth.name:
        found.append(f"called {said.name!r}, not {truth.name!r}")
    return found


def _same(key: str, was: float | None, value: float | None) -> bool:
    """Whether a number is another one as it is written: a ratio to one decimal, a strength to three digits or two decimals."""
    if was is None or value is None:
        return was is value
    off = abs(was - value)
    if key in ("n", "chosen on"):
        return off == 0
    if key.startswith("ratio"):
        return off <= 0.0501
    return off <= 0.00501 or (key in OF_STRENGTH and off <= 0.005 * abs(was))


def _numbers(text: str) -> list[float]:
    return [float(each) for each in NUMBER.findall(text.replace("−", "-"))]
