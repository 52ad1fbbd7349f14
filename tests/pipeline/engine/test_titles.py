"""No two stages of a flow have the same title, and a title says what a stage is for in the words of its settings."""

from dataclasses import dataclass

from pipeline.engine.stage import Stage
from pipeline.engine.titles import titles
from tests.pipeline.planted import Numbers, Squares, Total


@dataclass(frozen=True)
class Named(Stage):
    """A stage with a setting of each kind."""

    point: str = "mid_block"
    layers: tuple[int, ...] = ()
    deep: bool = False


def told(*stages: Stage) -> list[str]:
    found = titles(stages)
    return [found[stage] for stage in stages]


def test_what_is_alone_needs_no_more_than_its_title():
    numbers = Numbers(parts=3, purpose="the control")
    assert told(numbers, Total(numbers)) == ["numbers: the control", "total"]


def test_stages_alike_are_told_apart_by_the_settings_that_differ_and_by_no_others():
    assert told(Numbers(parts=3), Numbers(parts=3, start=5)) == ["numbers: start 0", "numbers: start 5"]
    assert told(Named("a"), Named("b")) == ["named: a", "named: b"]
    assert told(Named(layers=(1, 2, 3)), Named(layers=(4,))) == ["named: 1 2 ...", "named: 4"]
    assert told(Named(deep=True), Named()) == ["named: deep", "named: not deep"]
    assert told(Named("a"), Named("b"), Named("b", deep=True)) == [
        "named: a, not deep",
        "named: b, not deep",
        "named: b, deep",
    ]


def test_a_purpose_stays_in_front():
    assert told(Numbers(1, purpose="few"), Numbers(2, purpose="few")) == [
        "numbers: few, parts 1",
        "numbers: few, parts 2",
    ]


def test_stages_alike_are_told_apart_by_what_they_read():
    few, many, named = Numbers(parts=1), Numbers(parts=9), Named()
    assert told(Total(few), Total(many)) == ["total: parts 1", "total: parts 9"]
    assert told(Total(few), Total(named)) == ["total: of numbers", "total: of named"]
    assert told(Total(Squares(few)), Total(Squares(many))) == ["total: parts 1", "total: parts 9"]


def test_what_no_word_tells_apart_is_told_by_its_fingerprint():
    one, other = Named(layers=tuple(range(5))), Named(layers=(*range(4), 9))
    assert told(one, other) == [f"named: {one.fingerprint[:6]}", f"named: {other.fingerprint[:6]}"]
