"""Names that clash are resolved by one rule, whatever the catalogs hold."""

import pytest

from pipeline.catalog.merge.naming import Naming, named
from pipeline.catalog.merge.sources import opened
from tests.pipeline.catalog.planted_catalog import PlantedCatalog, drawn
from tests.pipeline.catalog.planted_findings import supervised

GLOW, GLOSS = supervised("glow", "ridge"), supervised("gloss", "ridge")


@pytest.fixture
def names(tmp_path):
    def of(**catalogs: PlantedCatalog) -> list[Naming]:
        return named(opened([each.write(tmp_path / name) for name, each in catalogs.items()]))

    return of


def holding(*rows: dict, seed: int = 0) -> PlantedCatalog:
    return PlantedCatalog(rows, {row["name"]: drawn(row["name"], seed) for row in rows}, judged=("glow", "gloss"))


def test_names_that_are_free_stay(names):
    one, other = names(a=holding(GLOW), b=holding(GLOSS))
    assert other.names == {"gloss/ridge": "gloss/ridge"} and other.published == {"gloss/ridge"} and one("glow/ridge")


def test_the_same_bytes_are_there_once_by_the_first_catalog(names):
    one, other = names(a=holding(GLOW), b=holding(GLOW, GLOSS))
    assert (one.published, other.published) == ({"glow/ridge"}, {"gloss/ridge"})
    assert other("glow/ridge") == "glow/ridge"


def test_another_direction_of_the_name_has_its_catalogs_name_behind_it(names):
    one, second, third = names(a=holding(GLOW), b=holding(GLOW, seed=1), c=holding(GLOW, seed=2))
    assert [each("glow/ridge") for each in (one, second, third)] == ["glow/ridge", "glow/ridge/b", "glow/ridge/c"]


def test_a_name_that_is_taken_after_that_has_it_again(names):
    taken = {**GLOW, "name": "glow/ridge/b"}
    _, other = names(a=holding(GLOW, taken), b=holding(GLOW, seed=1))
    assert other("glow/ridge") == "glow/ridge/b/b"


def test_the_same_bytes_for_another_attribute_are_another_direction(names):
    other = {**GLOSS, "name": "glow/ridge"}
    assert names(a=holding(GLOW), b=holding(other))[1]("glow/ridge") == "glow/ridge/b"


def test_what_is_no_direction_of_the_catalog_keeps_its_name(names):
    _, other = names(a=holding(GLOW), b=holding(GLOW, seed=1))
    assert (other("random-0"), other(None)) == ("random-0", None)
