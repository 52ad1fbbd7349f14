"""Counterparts are found whatever they are called, whatever their order and sign."""

import numpy as np
import pytest

from pipeline.catalog.compare.matching import Matcher, Matching
from pipeline.catalog.direction_catalog import DirectionCatalog
from tests.pipeline.catalog.planted_catalog import PlantedCatalog, drawn, standard, turned
from tests.pipeline.catalog.planted_findings import component, supervised

COMPONENTS = [component(j) for j in range(4)]


@pytest.fixture
def match(tmp_path):
    def of(a: PlantedCatalog, b: PlantedCatalog, least: float = 0.5) -> Matching:
        one, other = (DirectionCatalog.open(each.write(tmp_path / name)) for name, each in (("a", a), ("b", b)))
        return Matcher(one, other, least).match()

    return of


def components(*vectors) -> PlantedCatalog:
    rows = [supervised("smile", "ridge"), *COMPONENTS[: len(vectors)]]
    named = dict(zip([row["name"] for row in rows], [drawn("smile"), *vectors], strict=True))
    return PlantedCatalog(rows, named)


def test_a_supervised_direction_is_matched_by_its_meaning_however_far_it_has_turned(match):
    a = standard()
    renamed = [{**row, "name": f"x{i}"} for i, row in enumerate(a.rows)]
    vectors = {f"x{i}": drawn("another", seed=i) for i in range(len(renamed))}
    found = match(a, PlantedCatalog(renamed, vectors))
    assert {each.a: each.b for each in found.matched} == {row["name"]: f"x{i}" for i, row in enumerate(a.rows[:6])}
    assert all(abs(each.cosines.over_all) < 0.5 for each in found.matched)


def test_components_are_matched_by_what_they_are_and_not_by_their_number(match):
    u, v, w = (drawn(name) for name in "uvw")
    found = match(components(u, v, w), components(turned(w, -0.9), turned(u, 0.8), v))
    by_number = {each.a: (each.b, each.cosines.over_all) for each in found.matched if each.a.startswith("component")}
    expected = {0: (1, 0.8), 1: (2, 1.0), 2: (0, -0.9)}
    assert by_number == {
        COMPONENTS[i]["name"]: (COMPONENTS[j]["name"], pytest.approx(cosine, abs=1e-5))
        for i, (j, cosine) in expected.items()
    }


def test_the_sum_of_cosines_is_as_large_as_can_be(match):
    """The nearest of all are not taken first: that would leave the other two with nothing in common."""
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(drawn("u").size, 3)))[0].T

    def mixed(*shares: float) -> np.ndarray:
        return (np.array(shares) @ basis).reshape(drawn("u").shape).astype(np.float32)

    a, b = components(mixed(1, 0, 0), mixed(0.5, 0.92, -0.67)), components(mixed(0.9, 0.44, 0), mixed(0.8, 0, 0.6))
    found = {each.a: (each.b, each.cosines.over_all) for each in match(a, b, least=0.0).matched}
    assert found[COMPONENTS[0]["name"]] == (COMPONENTS[1]["name"], pytest.approx(0.8, abs=1e-6))
    assert found[COMPONENTS[1]["name"]][0] == COMPONENTS[0]["name"]


def test_what_is_like_nothing_vanished_and_appeared(match):
    u, v = drawn("u"), drawn("v")
    found = match(components(u, v), components(u, drawn("new"), drawn("newer")))
    assert [each.name for each in found.vanished] == [COMPONENTS[1]["name"]]
    assert [each.name for each in found.appeared] == [COMPONENTS[1]["name"], COMPONENTS[2]["name"]]
    assert not any(each.why for each in (*found.vanished, *found.appeared))


def test_what_one_catalog_has_alone_vanished_or_appeared(match):
    a, b = standard(), standard()
    found = match(a.but(rows=a.rows[:5]), b.but(rows=b.rows[1:]))
    assert [each.name for each in found.vanished] == [a.rows[0]["name"]]
    assert [each.name for each in found.appeared] == [row["name"] for row in b.rows[5:]]


def test_where_vectors_cannot_be_compared_what_only_they_tell_apart_is_alone_and_says_why(match):
    found = match(standard(), standard(sampling={"timesteps": [998, 600, 300, 1]}))
    assert len(found.matched) == 6 and all(each.cosines is None for each in found.matched)
    assert {each.why for each in found.vanished} == {"they have no timestep in common"}


def test_estimators_are_counterparts_where_any_method_may_be(match, tmp_path):
    ridge, mean = supervised("smile", "ridge"), supervised("smile", "mean-difference")
    a, b = (PlantedCatalog([row], {row["name"]: drawn("v")}) for row in (ridge, mean))
    apart = match(a, b)
    assert not apart.matched and len(apart.vanished) == len(apart.appeared) == 1
    one, other = (DirectionCatalog.open(tmp_path / name) for name in ("a", "b"))
    [pair] = Matcher(one, other, 0.5, any_method=True).match().matched
    assert (pair.a, pair.b, pair.cosines.over_all) == ("smile/ridge", "smile/mean-difference", pytest.approx(1.0))


def test_among_several_estimators_each_is_its_own_counterpart(match, tmp_path):
    match(standard(), standard())
    one, other = (DirectionCatalog.open(tmp_path / name) for name in ("a", "b"))
    found = Matcher(one, other, 0.5, any_method=True).match()
    assert [each.a for each in found.matched] == [each.b for each in found.matched] and len(found.matched) == 10


def test_directions_of_one_meaning_that_were_merged_are_told_apart_by_their_vectors(match):
    row, v, w = supervised("smile", "ridge"), drawn("v"), drawn("w")
    a = PlantedCatalog([row, {**row, "name": "smile/ridge/b"}], {"smile/ridge": v, "smile/ridge/b": w})
    b = PlantedCatalog([row, {**row, "name": "smile/ridge/a"}], {"smile/ridge": w, "smile/ridge/a": v})
    assert {each.a: each.b for each in match(a, b).matched} == {
        "smile/ridge": "smile/ridge/a",
        "smile/ridge/b": "smile/ridge",
    }
