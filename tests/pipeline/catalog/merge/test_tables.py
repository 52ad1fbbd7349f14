"""Rows keep their figures, and get the names and numbers of the merged catalog."""

import pyarrow.parquet as pq
import pytest

from pipeline.catalog.merge.naming import Naming
from pipeline.catalog.merge.sources import MergeSource, opened
from pipeline.catalog.merge.tables import NAMING, OF_ONE, Merging
from pipeline.errors import UserError
from schemas.published import TABLES
from tests.pipeline.catalog.planted_catalog import standard

RENAMED = Naming({"smile/ridge": "smile/ridge/b", "age/ridge": "age/ridge"}, frozenset({"smile/ridge"}))


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> MergeSource:
    at = tmp_path_factory.mktemp("tables")
    return opened([standard().write(at / "a"), standard().write(at / "b")])[1]


@pytest.fixture
def merging(source) -> Merging:
    names = {each.name: each.name for each in source.about.directions} | dict(RENAMED.names)
    return Merging(source, Naming(names, RENAMED.published), {0: 3}, first=False)


def test_every_table_of_a_catalog_is_merged_in_one_way_or_the_other():
    assert {*NAMING, *OF_ONE, "provenance.parquet"} == set(TABLES)


def test_effects_are_of_what_is_published_and_of_the_random_directions_beside_it(merging, source):
    before, found = source.catalog.table("effects.parquet"), merging.table("effects.parquet").to_pandas()
    assert set(found["direction"]) == {"smile/ridge/b", "random-0"} and set(found["evaluation"]) == {3}
    own = before[before["direction"].isin(["smile/ridge", "random-0"])]
    assert found.drop(columns=["direction", "evaluation"]).equals(
        own.drop(columns=["direction", "evaluation"]).reset_index(drop=True)
    )


def test_an_evaluation_that_measured_nothing_that_is_published_is_left_out(source, merging):
    none = Merging(source, merging.naming, {}, first=False)
    assert len(none.table("effects.parquet")) == 0


def test_names_are_changed_in_every_column_that_has_them(merging):
    profile = merging.table("profiles.parquet").to_pylist()
    assert [row["direction"] for row in profile] == ["smile/ridge/b"]
    [cosine] = (
        Merging(merging.source, Naming(merging.naming.names, frozenset({"mouth-0/jacobian"})), {0: 0}, first=True)
        .table("cosines.parquet")
        .to_pylist()
    )
    assert cosine["other"] == "mouth-0/jacobian", "one of the two is published"


def test_samples_are_those_of_the_first_catalog(merging, source):
    kinds = [row["of"] for row in merging.table("thumbnails.parquet").to_pylist()]
    assert kinds == ["held-out"]
    first = Merging(source, merging.naming, {0: 0}, first=True)
    assert [row["of"] for row in first.table("thumbnails.parquet").to_pylist()] == ["sample", "sample", "held-out"]


def test_a_column_says_after_the_merge_what_it_said_before(merging):
    for name in ("effects.parquet", "directions.parquet"):
        assert merging.table(name).schema.equals(TABLES[name], check_metadata=True)


def test_a_table_of_another_release_is_refused(merging, monkeypatch):
    table = pq.read_table(merging.source.folder / "cosines.parquet").rename_columns(["direction", "other", "alike"])
    monkeypatch.setattr(type(merging.source.catalog), "arrow", lambda self, name: table)
    with pytest.raises(UserError, match="has the columns direction, other, alike: expected direction, other, cosine"):
        merging.table("cosines.parquet")
