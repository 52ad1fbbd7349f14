"""A run ends with the direction to use of each attribute, wherever it is added."""

import pytest

from pipeline.catalog import summary
from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.summary import Summary
from tests.pipeline.catalog.planted_findings import at_points, planted, with_profiles


@pytest.fixture
def summed(monkeypatch):
    """Sums up findings without a folder."""

    def of(found: Findings) -> Summary:
        monkeypatch.setattr(summary, "findings", lambda catalog: found)
        return Summary.of(None)  # type: ignore[arg-type]

    return of


def test_an_attribute_at_several_points_is_recommended_where_it_is_clean_and_moves_most(summed):
    found = summed(at_points(dict.fromkeys(("mid_block", "up_blocks.0"), ("smile", "age"))))
    smile = next(each for each in found.recommended if each.attribute == "smile")
    assert (smile.direction, smile.capture) == ("smile/ridge@up_blocks.0/disentangled", "up_blocks.0")
    assert (smile.strength, smile.on_target, smile.clean) == (-1.0, pytest.approx(-1.2), True), "what is seen there"
    assert found.captures == ("mid_block", "up_blocks.0")


def test_each_attribute_is_recommended_at_its_own_point(summed):
    found = summed(at_points({"mid_block": ("age",), "up_blocks.0": ("smile",)}))
    assert {each.attribute: each.capture for each in found.recommended} == {"age": "mid_block", "smile": "up_blocks.0"}
    assert found.ranked == (("component-0/principal-components@mid_block", "age +1.4", "mid_block", None),)


def test_an_unsupervised_direction_says_on_how_many_other_samples_it_was_measured(summed):
    assert {each.confirmed_n for each in summed(with_profiles(confirmed_n=28)).ranked} == {28}


def test_of_one_point_it_is_the_same_as_ever(summed):
    found = summed(planted())
    assert [(each.attribute, each.direction) for each in found.recommended] == [
        ("smile", "smile/ridge/disentangled"),
        ("age", "age/ridge/disentangled"),
    ]
    assert found.captures == ("mid_block",)
