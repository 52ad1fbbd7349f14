"""The live page, a page of the explorer: what it can set stands in it as JSON, and its script does the rest."""

from pathlib import Path

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.explorer.site import navigation
from pipeline.catalog.templates import environment
from pipeline.live.controls import AT_LEAST, BEYOND, Controls
from pipeline.live.wanted import MOST_DIRECTIONS, MOST_SAMPLES, SEEDS

HERE = Path(__file__).parent
ASSETS = HERE / "assets"


def page(catalog: DirectionCatalog, controls: Controls, folder: Path, missing: str = "") -> str:
    """Return the page as HTML. folder: of the catalog's pages; missing: why there is no model, in sentences."""
    facts = {
        "sliders": controls.for_page(),
        "mostSamples": MOST_SAMPLES,
        "mostDirections": MOST_DIRECTIONS,
        "seeds": SEEDS,
        "missing": missing,
    }
    template = environment(HERE).get_template("live.html.j2")
    return template.render(
        catalog=catalog.about,
        navigation=navigation({path.name for path in folder.glob("*.html")}, live=True),
        file="live.html",
        root="",
        facts=facts,
        controls=controls,
        missing=missing,
        beyond=BEYOND,
        at_least=AT_LEAST,
        samples=[1, 2, 3, 4, 6, 8],
    )
