"""The live page, from its template: what it can set stands in it as JSON, and its script does the rest."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.live.controls import AT_LEAST, BEYOND, Controls
from pipeline.live.wanted import MOST_DIRECTIONS, MOST_SAMPLES, SEEDS

HERE = Path(__file__).parent
ASSETS = HERE / "assets"
STYLES = ("assets/style.css", "assets/explorer.css")  # of the catalog's pages, where they have them


def page(catalog: DirectionCatalog, controls: Controls, folder: Path, missing: str = "") -> str:
    """Return the page as HTML. folder: of the catalog's pages; missing: why there is no model, in sentences."""
    facts = {
        "sliders": controls.for_page(),
        "mostSamples": MOST_SAMPLES,
        "mostDirections": MOST_DIRECTIONS,
        "seeds": SEEDS,
        "missing": missing,
    }
    return (
        _environment()
        .get_template("live.html.j2")
        .render(
            model=catalog.about.model.name,
            facts=facts,
            controls=controls,
            missing=missing,
            beyond=BEYOND,
            at_least=AT_LEAST,
            styles=[each for each in STYLES if (folder / each).is_file()],
            has_pages=(folder / "index.html").is_file(),
            samples=[1, 2, 3, 4, 6, 8],
        )
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
