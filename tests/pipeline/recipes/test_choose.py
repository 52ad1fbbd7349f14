"""Which capture points attributes are tried at: planted shares; and where candidates come from."""

import pandas as pd
import pytest

from pipeline.models.pretrained import find
from pipeline.recipes.choose import CARRIED, ENOUGH, _places, first, worth_trying
from pipeline.recipes.points import Place, candidates, is_chosen, named, unsupervised
from schemas.run import Run

POINTS = ("mid_block", "up_blocks.0", "up_blocks.1", "up_blocks.2")
NONE, SOME, MOST = CARRIED / 2, CARRIED + 0.05, ENOUGH + 0.05


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((MOST, MOST, MOST, 1.0), ("mid_block",)),  # nothing after what carries enough
        ((SOME, SOME, MOST, 1.0), ("mid_block", "up_blocks.0", "up_blocks.1")),
        ((SOME, MOST, MOST, 1.0), ("mid_block", "up_blocks.0")),
        ((NONE, NONE, SOME, MOST), ("up_blocks.1", "up_blocks.2")),
        ((NONE, NONE, NONE, MOST), ("up_blocks.2",)),
        (
            (SOME, SOME + 0.1, SOME + 0.2, MOST),
            ("up_blocks.0", "up_blocks.1", "up_blocks.2"),
        ),  # the three that carry most
        ((SOME, SOME + 0.2, SOME + 0.1, SOME + 0.3), ("up_blocks.0", "up_blocks.1", "up_blocks.2")),
        ((0.0, 0.02, 0.1, 0.05), ("up_blocks.0", "up_blocks.1", "up_blocks.2")),  # nobody carries it
        ((NONE, SOME, NONE, MOST), ("up_blocks.0", "up_blocks.2")),
        ((None, None, None, None), ("mid_block",)),
        ((None, NONE, SOME, None), ("up_blocks.1",)),
    ],
)
def test_an_attribute_is_tried_at_the_first_points_that_carry_it(shares, expected):
    assert worth_trying(pd.Series(shares, index=list(POINTS), dtype=float)) == expected


def test_attributes_of_two_points_are_tried_at_both_together_too():
    tried = {"a": ("mid_block",), "b": ("mid_block", "up_blocks.0"), "c": ("mid_block", "up_blocks.0")}
    shares = pd.DataFrame({"a": [1.0, 1.0], "b": [SOME, MOST], "c": [SOME, MOST]}, index=["mid_block", "up_blocks.0"])
    places = _places(tried, shares)
    assert places == (
        Place("mid_block", ("a", "b", "c")),
        Place("up_blocks.0", ("b", "c"), beside=("a",)),
        Place("mid_block+up_blocks.0", ("b", "c"), beside=("a",)),
    )
    assert first(places) == (Place("mid_block", ("a", "b", "c")),)
    assert first(places[1:]) == (Place("up_blocks.0", ("b", "c"), beside=("a",)),)


def test_what_is_not_carried_at_a_point_is_not_projected_away_there():
    shares = pd.DataFrame({"a": [1.0, 1.0], "b": [NONE, MOST], "c": [None, None]}, index=["mid_block", "up_blocks.0"])
    tried = {"a": ("mid_block",), "b": ("up_blocks.0",), "c": ("up_blocks.0",)}
    assert _places(tried, shares) == (
        Place("mid_block", ("a",), beside=("c",)),  # of c nothing is known
        Place("up_blocks.0", ("b", "c"), beside=("a",)),
    )


def test_at_a_place_that_fewer_are_published_at_the_others_are_still_projected_away():
    place = Place("mid_block", ("a", "b"), beside=("c",))
    assert place.of(("b",), ("a", "b", "c")) == Place("mid_block", ("b",), beside=("a", "c"))
    assert place.of(("b",), ("b", "c")) == Place("mid_block", ("b",), beside=("c",))  # a was left out of the run


def test_what_needs_no_labels_is_looked_for_where_most_attributes_live():
    assert unsupervised((Place("mid_block", ("a",)), Place("up_blocks.0+up_blocks.1", ("b", "c")))) == "up_blocks.0"
    assert unsupervised((Place("mid_block", ("a",)), Place("up_blocks.0", ("b",)))) == "mid_block"


def test_candidates_are_the_mid_block_and_every_block_after_it(tiny_model):
    assert candidates(find(str(tiny_model))) == ("mid_block", "up_blocks.0", "up_blocks.1")


def test_a_run_names_its_points_or_has_them_chosen():
    assert is_chosen(Run()) and not is_chosen(Run(capture="after"))
    assert named(Run(capture="after, up_blocks.1"), ("a",)) == (
        Place("mid_block", ("a",)),
        Place("up_blocks.1", ("a",)),
    )
