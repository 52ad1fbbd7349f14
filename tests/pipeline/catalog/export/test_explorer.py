from pathlib import Path

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.explorer.read import findings
from pipeline.catalog.explorer.site import pages
from pipeline.catalog.export.formats import export

FROZEN = Path(__file__).parents[3] / "frozen" / "catalog-5"


def test_the_pages_are_those_of_the_catalog_with_what_draws_them(tmp_path):
    catalog = DirectionCatalog.from_pretrained(FROZEN)
    export(catalog, "explorer", tmp_path / "pages")
    written = {path.relative_to(tmp_path / "pages").as_posix() for path in (tmp_path / "pages").rglob("*.*")}
    expected = pages(findings(catalog))
    assert set(expected) <= written and "index.html" in expected
    assert all((tmp_path / "pages" / name).read_text() == text for name, text in expected.items())
    assert {"assets/explorer.js", "assets/charts.js", "assets/vendor/plot.umd.min.js"} <= written
    export(catalog, "explorer", tmp_path / "pages")  # an earlier one is replaced
