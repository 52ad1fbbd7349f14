"""Names that tables know plugs by, and what an annotator says of itself in a line."""

from dataclasses import dataclass

import pytest

from pipeline.annotators import region
from pipeline.annotators.base import describes
from pipeline.annotators.names import check_distinct, fit, fit_all, spec_of
from pipeline.annotators.regions import Box
from pipeline.errors import UserError


def _upper(images):
    return images[..., 0] > 9


def _lower(images):
    return images[..., 0] < 9


def test_two_plugs_of_one_name_are_told_and_one_twice_is_one():
    check_distinct(Box(0, 0, 1, 1), Box(0, 0, 2, 2), region(_upper), region(_upper))
    with pytest.raises(UserError, match="test_names:_upper and .*:_lower are both called 'half', .*\nGive one another"):
        check_distinct(region(name="half")(_upper), Box(0, 0, 1, 1), region(name="half")(_lower))


def test_a_plug_is_found_by_its_function_or_class():
    assert spec_of(region(_upper)) == f"{__name__}:_upper"
    assert spec_of(Box(0, 0, 1, 1)) == "pipeline.annotators.regions:Box"


def test_what_an_annotator_says_of_itself_or_its_docstring_or_nothing():
    @dataclass(frozen=True)
    class Says:
        """How wide things are.

        In pixels.
        """

    @dataclass(frozen=True)
    class SaysMore(Says):
        describes = "How wide trees are."

    @dataclass(frozen=True)
    class SaysNothing:
        width: int = 1

    assert [describes(each()) for each in (Says, SaysMore, SaysNothing)] == [
        "How wide things are.",
        "How wide trees are.",
        "",
    ]


def test_texts_are_made_fit_to_be_names_and_names_stay():
    assert [fit(text) for text in ("my labels (1)", "_x", "a-", "a, b")] == ["my_labels_1", "_x", "a-", "a_b"]
    assert fit("!?", "table") == "table" and fit_all(["a b", "a_b", "c"]) == ("a_b", "a_b_2", "c")
    with pytest.raises(UserError, match="Nothing of '!\\?' can be in a name"):
        fit("!?")
