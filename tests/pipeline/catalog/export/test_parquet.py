"""pandas, polars, duckdb and datasets read vectors and figures from one table, to the bit."""

import datasets
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from safetensors.numpy import load_file

from pipeline.catalog.export import parquet
from pipeline.catalog.export.formats import export
from tests.pipeline.catalog.export.planted_catalog import HOSTILE, at_several_points, hostile, opened


def by_pandas(path):
    return pd.read_parquet(path).to_dict("records")


def by_polars(path):
    return pl.read_parquet(path).to_dicts()


def by_duckdb(path):
    cursor = duckdb.connect().execute("SELECT * FROM read_parquet(?)", [str(path)])
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def by_datasets(path, cache):
    return list(datasets.load_dataset(str(path.parent), split="train", cache_dir=str(cache)))


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return at_several_points(tmp_path_factory.mktemp("planted") / "catalog")


@pytest.fixture(scope="module")
def path(catalog, tmp_path_factory):
    out = tmp_path_factory.mktemp("exported") / "out"
    export(opened(catalog), "parquet", out)
    return out / "directions.parquet"


@pytest.mark.parametrize("read", [by_pandas, by_polars, by_duckdb, by_datasets])
def test_each_library_agrees_with_the_safetensors_to_the_bit(read, catalog, path, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    rows = read(path, tmp_path) if read is by_datasets else read(path)
    published = load_file(catalog / "directions.safetensors")
    assert [(row["name"], row["point"]) for row in rows] == [
        ("smile/ridge", "mid_block"),
        ("age/ridge", "mid_block"),
        ("age/ridge", "up_blocks.0"),
    ]
    for row, key in zip(rows, ("smile/ridge", "age/ridge@mid_block", "age/ridge@up_blocks.0"), strict=True):
        vector = np.array(row["vector"], np.float32).reshape(tuple(row["shape"]))
        assert vector.tobytes() == published[key].tobytes()
        assert (row["capture"], row["target"], row["n"]) == (
            opened(catalog).about.directions[0 if key == "smile/ridge" else 1].capture,
            row["attribute"],
            50,
        )
        assert row["strength_per_sd"] == pytest.approx(0.71) and row["weights_sha256"] == "ab" * 32
        assert list(row["timesteps"]) == opened(catalog).about.sampling.timesteps


def test_a_query_finds_a_direction_by_its_figures(path):
    found = duckdb.sql(f"SELECT name, len(vector) FROM '{path}' WHERE attribute = 'smile' AND on_target > 1").fetchall()
    assert found == [("smile/ridge", 4 * 8 * 2 * 2)]


def test_large_vectors_are_written_group_by_group(catalog, tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "GROUP_BYTES", 1)
    export(opened(catalog), "parquet", tmp_path / "out")
    file = parquet.pa.parquet.ParquetFile(tmp_path / "out" / "directions.parquet")
    assert file.num_row_groups == 3


def test_names_of_any_kind_are_values_like_any_other(tmp_path):
    export(opened(hostile(tmp_path / "catalog")), "parquet", tmp_path / "out")
    assert {row["name"] for row in by_polars(tmp_path / "out" / "directions.parquet")} == {*HOSTILE, "smile/ridge"}
