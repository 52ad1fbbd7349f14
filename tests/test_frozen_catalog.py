"""A catalog as it was published when `schema_version` 5 was the newest: whatever comes after, it is read.

It is of an untrained U-Net of 16 x 16 images: T = 2, yaw by two estimators, and a component. A change that this test does not
survive needs another version, a reader for this one, and a frozen catalog of the other.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.catalog.card import card
from pipeline.catalog.compare.comparison import compare
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.direction_edit import DirectionEdit
from pipeline.catalog.explorer.read import findings
from pipeline.catalog.explorer.site import pages
from pipeline.catalog.export.formats import export
from schemas.published import TABLES

# Columns that are not written any more: none was required, and what shows a catalog does without.
GONE = {
    "directions.parquet": {
        "auc_by_step": pa.list_(pa.float32()),
        "bootstrap_cosine_low": pa.float32(),
        "bootstrap_cosine_high": pa.float32(),
    }
}
FOLDER = Path(__file__).parent / "frozen" / "catalog-5"


@pytest.fixture(scope="module")
def catalog() -> DirectionCatalog:
    return DirectionCatalog.from_pretrained(FOLDER)


def test_every_file_is_as_it_was_published(catalog):
    assert catalog.files == {path.name for path in FOLDER.iterdir()} - {"SHA256SUMS"}
    assert all(catalog.read(name) for name in catalog.files)
    assert catalog.sha256.startswith("2cb091ce63db")


def test_its_directions_are_read_with_what_they_do(catalog):
    assert catalog.about.schema_version == 5
    assert set(catalog.recommended) == {"yaw"}
    yaw = catalog["yaw"]
    assert yaw.vector.shape == (2, 16, 8, 8) and np.isfinite(yaw.vector).all()
    assert np.linalg.norm(yaw.vector) == pytest.approx(yaw.about.norm, rel=1e-5)
    assert len(yaw.effects) and len(catalog.to_pandas()) == len(catalog)
    assert DirectionEdit.from_json(DirectionEdit.of(catalog, {yaw.name: 1.0}, calibrated=False).to_json()).strengths


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.parquet")))
def test_its_tables_have_the_columns_that_are_written_today_or_that_nobody_reads_any_more(catalog, name):
    columns = {each: TABLES[name].field(each).type for each in TABLES[name].names}
    assert not columns.keys() & GONE.get(name, {}).keys(), "a column that is back means what it meant"
    columns |= GONE.get(name, {})
    found = catalog.arrow(name).schema
    assert {each: found.field(each).type for each in found.names}.items() <= columns.items()


def test_its_figures_are_said_to_be_of_the_samples_that_chose_them(catalog):
    """It has no selection samples, so strengths are chosen as they were when it was published."""
    found = findings(catalog)
    assert found.best is None and set(found.reported["selection_n"]) == {0}
    said = "trengths chosen on the same"
    assert said in pages(found)["index.html"] and said in card(catalog)


def test_it_is_explored_compared_and_exported(catalog, tmp_path):
    assert "yaw/ridge" in pages(findings(catalog))["directions.html"]
    assert compare(FOLDER, FOLDER).findings == []
    for form in ("parquet", "safetensors"):
        export(catalog, form, tmp_path / form)
    export(catalog, "npz", tmp_path / "npz")
    with np.load(tmp_path / "npz" / "directions.npz") as found:
        assert np.array_equal(found["yaw-ridge"], catalog["yaw"].vector)
