"""The explorer as files: pages, the numbers of each direction, and what draws them. They ask for nothing outside their folder."""

import json
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from pipeline.catalog.explorer import (
    carriage,
    components,
    direction,
    effects,
    gallery,
    jacobian,
    judges,
    learning_curve,
    overview,
    preservation,
    samples,
    settings,
    stability,
    timesteps,
)
from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.groups import LARGE
from pipeline.catalog.explorer.links import Links
from pipeline.catalog.explorer.viewer import viewer
from pipeline.catalog.templates import ASSETS, render

HERE = Path(__file__).parent / "assets"

# Pages of sections, by their files: each section by its name, which is also its anchor, its title and its facts. A section without
# facts is left out, and a page without sections.
Section = tuple[str, Callable[[Findings], Any]]
PAGES: dict[str, tuple[str, dict[str, Section]]] = {
    "effects.html": (
        "Effects",
        {
            "effects": ("What moves what", effects.facts),
            "judges": ("By other judges", judges.facts),
            "preservation": ("What is left alone", preservation.facts),
            "components": ("Principal components", components.facts),
            "jacobian": ("Directions of single images", jacobian.facts),
        },
    ),
    "method.html": (
        "How they were found",
        {
            "carriage": ("Where attributes live", carriage.facts),
            "learning_curve": ("Learning curves: how many samples", learning_curve.facts),
            "timesteps": ("By timestep", timesteps.facts),
            "stability": ("Stability of the directions", stability.facts),
        },
    ),
    "about.html": (
        "About",
        {
            "samples": ("Samples", samples.facts),
            "settings": ("Settings and files", settings.facts),
        },
    ),
}


ALWAYS = frozenset({"index.html", "directions.html", "compare.html"})


def write(findings: Findings, folder: Path, live: bool = False) -> None:
    """Write the explorer into a folder. live: whether a server stands behind it that edits new samples."""
    for name, text in pages(findings, live).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    for source in (ASSETS, HERE):
        shutil.copytree(source, folder / "assets", dirs_exist_ok=True)


def pages(findings: Findings, live: bool = False) -> dict[str, str]:
    """Return every page, and every direction's numbers, by the name of its file. Same findings, same texts."""
    return dict(_pages(findings, live))


def _pages(findings: Findings, live: bool) -> Iterator[tuple[str, str]]:
    links = Links([row["name"] for row in findings.directions])
    found = {
        file: (title, [(name, said, facts(findings)) for name, (said, facts) in sections.items()])
        for file, (title, sections) in PAGES.items()
    }
    found = {
        file: (title, [each for each in sections if each[2] is not None]) for file, (title, sections) in found.items()
    }
    navigated = navigation({file for file, (_, sections) in found.items() if sections} | ALWAYS, live)

    def page(template: str, file: str, **more: Any) -> str:
        about = {"catalog": findings.catalog, "large": LARGE, "links": links, "navigation": navigated, "file": file}
        return render(template, **about, root="../" * file.count("/"), **more)

    cards = gallery.facts(findings, links)
    yield "index.html", page("index.html.j2", "index.html", overview=overview.facts(findings), gallery=cards)
    yield "directions.html", page("gallery.html.j2", "directions.html", facts=cards)
    yield "compare.html", page("compare.html.j2", "compare.html", facts=cards)
    for file, (title, sections) in found.items():
        if sections:
            yield file, page("sections.html.j2", file, title=title, sections=sections)
    for row in findings.directions:
        name, about = row["name"], direction.facts(findings, row, links)
        yield links.page(name), page("direction.html.j2", links.page(name), facts=about)
        yield f"data/{links.file(name)}.js", data(links.file(name), viewer(findings, row, about["title"]))


def navigation(files: Collection[str], live: bool) -> list[tuple[str, str]]:
    """What every page leads to, of the pages that are there: addresses and titles. live: whether a server adds its own."""
    titles = {
        "index.html": "Overview",
        "directions.html": "Directions",
        **{file: title for file, (title, _) in PAGES.items()},
        "compare.html": "Side by side",
    }
    return [each for each in titles.items() if each[0] in files] + [("live.html", "Live")] * live


def data(file: str, numbers: dict[str, Any]) -> str:
    """A script that hands a direction's numbers to the page: pages that lie on a disk may load scripts, and nothing else."""
    written = json.dumps(numbers, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"explorer.add({json.dumps(file)}, {written});\n"
