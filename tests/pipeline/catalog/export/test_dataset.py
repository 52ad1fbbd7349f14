"""`datasets.load_dataset` on the folder gives images, ids, scores, and h by step, as they were."""

import io

import datasets
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

from pipeline.catalog.export import dataset
from pipeline.catalog.export.dataset import SampledPart
from pipeline.catalog.export.formats import export
from pipeline.errors import UserError
from pipeline.stages.sources.source import samples_table
from schemas.annotations import ANNOTATIONS
from tests.pipeline.catalog.export.planted_catalog import SCRIPT, opened, planted

T, SHAPE, EACH = 4, (8, 2, 2), 3


@pytest.fixture
def catalog(tmp_path):
    return opened(planted(tmp_path / "catalog"))


def images(part):
    return np.random.default_rng(part).integers(0, 256, (EACH, 8, 8, 3), np.uint8)


def h(part, shape=SHAPE):
    return np.random.default_rng([part, *shape]).standard_normal((EACH, T, *shape)).astype(np.float16)


def planted_part(part, attributes=("smile", "age"), points=None):
    """Three samples; the score of sample i of the k-th attribute is i + k / 10, and the second sample has none of the first."""
    ids = range(part * EACH, (part + 1) * EACH)
    rows = [
        {
            "sample_id": i,
            "annotator": "labels",
            "attribute": name,
            "score": None if (i % EACH, k) == (1, 0) else i + k / 10,
        }
        for i in ids
        for k, name in enumerate(attributes)
    ]
    activations = {point: h(part, shape) for point, shape in (points or {"h": SHAPE}).items()}
    return SampledPart(samples_table(ids, 7, images(part)), pa.Table.from_pylist(rows[::-1], ANNOTATIONS), activations)


def loaded(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))


def test_every_sample_is_there_as_it_was(catalog, tmp_path, monkeypatch):
    export(catalog, "dataset", tmp_path / "out", parts=map(planted_part, range(2)))
    found = loaded(tmp_path / "out", tmp_path, monkeypatch)
    assert found["sample_id"][:] == list(range(2 * EACH)) and set(found["seed"]) == {7}
    for part in range(2):
        for i in range(EACH):
            row = found[part * EACH + i]
            assert np.array_equal(np.asarray(row["image"]), images(part)[i])
            assert np.array(row["h"], np.float16).reshape(T, *SHAPE).tobytes() == h(part)[i].tobytes()
            assert row["labels/age"] == pytest.approx(row["sample_id"] + 0.1)
            assert row["labels/smile"] == (None if i == 1 else row["sample_id"])


def test_an_image_is_one_and_h_is_of_half_precision(catalog, tmp_path, monkeypatch):
    export(catalog, "dataset", tmp_path / "out", parts=[planted_part(0)])
    features = loaded(tmp_path / "out", tmp_path, monkeypatch).features
    assert isinstance(features["image"], datasets.Image)
    assert features["h"].feature.feature.dtype == "float16" and features["h"].feature.length == 32


def test_h_of_several_points_has_a_column_each(catalog, tmp_path, monkeypatch):
    points = {"mid_block": SHAPE, "up_blocks.0": (4, 4, 4)}
    export(catalog, "dataset", tmp_path / "out", parts=[planted_part(0, points=points)])
    found = loaded(tmp_path / "out", tmp_path, monkeypatch)
    for point, shape in points.items():
        of_all = np.array(found[f"h/{point}"][:], np.float16)
        assert of_all.reshape(EACH, T, *shape).tobytes() == h(0, shape).tobytes()


def test_polars_reads_the_same_files(catalog, tmp_path):
    export(catalog, "dataset", tmp_path / "out", parts=[planted_part(0)])
    frame = pl.read_parquet(tmp_path / "out" / "data" / "*.parquet", columns=["sample_id", "image", "labels/age"])
    assert frame["sample_id"].to_list() == [0, 1, 2]
    first = Image.open(io.BytesIO(frame["image"][0]["bytes"]))
    assert np.array_equal(np.asarray(first), images(0)[0])


def test_what_is_large_is_written_group_by_group(catalog, tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "GROUP_BYTES", 1)
    export(catalog, "dataset", tmp_path / "out", parts=[planted_part(0)])
    assert pa.parquet.ParquetFile(tmp_path / "out" / "data" / "train-00000.parquet").num_row_groups == EACH
    assert len(loaded(tmp_path / "out", tmp_path, monkeypatch)) == EACH


def test_samples_that_were_not_scored_alike_are_refused_and_leave_nothing(catalog, tmp_path):
    parts = [planted_part(0), planted_part(1, attributes=("smile",))]
    for wrong, why in ((parts, "were not all scored alike"), ([], "There are no samples to export")):
        with pytest.raises(UserError, match=why):
            export(catalog, "dataset", tmp_path / "out", parts=wrong)
        assert {path.name for path in tmp_path.iterdir()} == {"catalog"}


def test_attributes_of_any_name_are_columns_like_any_other(catalog, tmp_path, monkeypatch):
    names = (SCRIPT, "../../x", "a\n---\nlicense: evil\n---")
    export(catalog, "dataset", tmp_path / "out", parts=[planted_part(0, names)])
    assert {f"labels/{name}" for name in names} <= set(loaded(tmp_path / "out", tmp_path, monkeypatch).column_names)
    readme = (tmp_path / "out" / "README.md").read_text()
    assert SCRIPT not in readme and readme.count("\n---\n") == 1
