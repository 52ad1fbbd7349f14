"""Effects are compared at a strength that both know, with the error that belongs to the difference."""

import numpy as np
import pytest

from pipeline.catalog.compare.effects import EffectChanges, _strength, effect_changes
from pipeline.catalog.compare.matching import Matcher
from pipeline.catalog.curves import Curves
from pipeline.catalog.direction_catalog import DirectionCatalog
from tests.pipeline.catalog.planted_catalog import PlantedCatalog, drawn, smooth, standard
from tests.pipeline.catalog.planted_findings import component


@pytest.fixture
def changes(tmp_path):
    """What has changed of a direction, by its name."""

    def of(a: PlantedCatalog, b: PlantedCatalog, name: str = "smile/ridge") -> EffectChanges | str:
        one, other = (DirectionCatalog.open(each.write(tmp_path / at)) for at, each in (("a", a), ("b", b)))
        [pair] = [each for each in Matcher(one, other, 0.5).match().matched if each.a == name]
        return effect_changes(Curves(one), Curves(other), pair)

    return of


def halved(row: dict, gamma: float, attribute: str) -> float:
    return smooth(row, gamma, attribute) * (0.5 if attribute == row["attribute"] else 3.0)


def test_the_difference_and_its_error_are_the_planted_ones(changes):
    found = changes(standard(), standard(effect=halved, std=0.3, n=40))
    assert (found.strength, found.strength_after, found.read_off, found.judge) == (2.0, 2.0, False, "judge")
    assert found.target.difference.value == pytest.approx(-1.2)
    assert found.target.difference.error == pytest.approx(np.sqrt(0.4**2 / 28 + 0.3**2 / 40))
    assert {each.attribute: round(each.difference.value, 5) for each in found.others} == {"age": 0.4, "skin": 0.4}
    assert found.most_changed in found.others
    assert set(found.now_significant) == {"age", "skin"} and found.no_longer_significant == ()


def test_where_the_second_went_less_far_it_is_the_farthest_that_it_went(changes):
    found = changes(standard(), standard(strengths=(-1.5, -0.5, 0.5, 1.5)))
    assert found.strength == 1.0 and found.read_off
    assert found.target.after.mean == pytest.approx(1.2) and found.target.difference.value == pytest.approx(
        0.0, abs=1e-6
    )


@pytest.mark.parametrize(
    "wanted, chosen", [(2.0, 2.0), (1.5, 1.0), (-2.0, -2.0), (0.3, 1.0), (-0.3, -1.0), (None, 2.0), (9.0, 2.0)]
)
def test_it_is_the_farthest_on_the_way_to_what_the_profile_says(tmp_path, wanted, chosen):
    curve = Curves(DirectionCatalog.open(standard().write(tmp_path / "a"))).first("smile/ridge")
    assert _strength(curve, curve, wanted) == chosen


def test_where_the_second_went_less_far_than_any_of_the_first_it_is_a_strength_of_the_second(changes):
    found = changes(standard(effect=halved), standard(strengths=(-0.25, -0.5, 0.25, 0.5)))
    assert found.strength == 0.5 and found.read_off
    assert (found.target.before.mean, found.target.after.mean) == (pytest.approx(0.3), pytest.approx(0.6))


def test_what_was_measured_on_the_other_side_alone_is_not_compared(changes):
    said = changes(standard(strengths=(1.0, 2.0)), standard(strengths=(-2.0, -1.0)))
    assert said == "they were measured on different sides of 0"


def test_without_a_judge_in_common_there_is_nothing_to_compare(changes):
    said = changes(standard(), standard(judge="another"))
    assert said == "judge judged the first and another the second: they have no judge in common"


def test_a_component_that_points_the_other_way_is_turned_round_first(changes):
    row, v = component(0), drawn("v")
    a = PlantedCatalog([row], {row["name"]: v})
    b = PlantedCatalog([row], {row["name"]: -v}, effect=lambda row, gamma, attribute: smooth(row, -gamma, attribute))
    found = changes(a, b, row["name"])
    assert (found.strength, found.strength_after) == (2.0, -2.0)
    assert found.target.difference.value == 0.0 and found.target.attribute == "age"


def test_an_attribute_that_only_one_judged_is_left_out(changes):
    found = changes(standard(judged=("skin", "smile")), standard(judged=("age", "smile")))
    assert found.target.attribute == "smile" and found.others == () and found.most_changed is None
