"""A curve says what was measured, and between what was measured what straight lines say."""

import numpy as np
import pytest

from pipeline.catalog.curves import Curves
from pipeline.catalog.direction_catalog import DirectionCatalog
from tests.pipeline.catalog.planted_catalog import standard


def bent(row: dict, gamma: float, attribute: str) -> float:
    return gamma * abs(gamma) if attribute == row["attribute"] else 0.0


@pytest.fixture(scope="module")
def curves(tmp_path_factory) -> Curves:
    return Curves(DirectionCatalog.open(standard(effect=bent).write(tmp_path_factory.mktemp("curves") / "a")))


@pytest.fixture(scope="module")
def curve(curves):
    return curves.first("smile/ridge")


def test_it_has_the_strengths_of_its_direction_as_they_rise(curve):
    strengths, effects = curve.effects("smile")
    assert strengths.tolist() == [-2, -1, 0, 1, 2] and effects.tolist() == [-4, -1, 0, 1, 4]
    assert curve.judge == "judge" and set(curve.attributes) == {"skin", "age", "smile"}


def test_between_strengths_it_goes_straight_and_through_0(curve):
    assert curve.at(1.5, "smile").mean == pytest.approx(2.5) and not curve.measured(1.5)
    assert curve.at(-0.5, "smile").mean == pytest.approx(-0.5)
    assert curve.at(1.5, "smile").std == pytest.approx(0.4) and curve.at(0.5, "smile").std == pytest.approx(0.2)
    assert curve.at(2.0, "smile").n == 28 and curve.measured(2.0)


def test_a_strength_is_between_measured_ones_by_its_share(curve):
    assert curve.between(2.0) == [(2.0, 1.0)]
    assert curve.between(1.25) == [(1.0, 0.75), (2.0, 0.25)] and curve.between(-1.5) == [(-2.0, 0.5), (-1.0, 0.5)]
    assert curve.between(0.25) == [(1.0, 0.25)] and curve.between(-0.5) == [(-1.0, 0.5)]


def test_beyond_what_was_measured_it_says_nothing(curve):
    assert [curve.covers(each) for each in (-2.0, 0.3, 2.0, 2.1, -3.0)] == [True, True, True, False, False]


def test_turned_round_it_is_that_of_the_opposite_direction(curve):
    turned = curve.reversed
    assert turned.at(2.0, "smile").mean == -4.0 and turned.strengths.tolist() == [-2, -1, 1, 2]
    assert turned.index(2.0) == curve.index(-2.0) == 0


def test_what_is_significant_is_told_at_the_strength_next_to_it(curve):
    assert curve.significant(1.9, "smile") is True and curve.significant(1.9, "age") is False


def test_a_judges_units_are_told_where_anything_moves(curve):
    known = dict(zip(curve.attributes, curve.units, strict=True))
    expected = {"smile": 2.0, "age": 2.0, "skin": 2.0}
    assert known == pytest.approx(expected), "by what any direction of the evaluation moved"


def test_what_was_not_measured_has_no_curve(curves):
    assert curves.of("nothing") == {} and curves.first("nothing") is None
    assert curves.first("random-0") is None


def test_what_was_not_measured_at_a_strength_is_not_known_there(tmp_path):
    def partly(row: dict, gamma: float, attribute: str) -> float:
        return np.nan if (gamma, attribute) == (2.0, "smile") else gamma

    curve = Curves(DirectionCatalog.open(standard(effect=partly).write(tmp_path / "a"))).first("smile/ridge")
    assert np.isnan(curve.at(2.0, "smile").mean) and curve.at(1.0, "smile").mean == 1.0
