from dataclasses import replace

import pytest

from tests.pipeline.catalog.planted_findings import (
    LEARNING_CURVE,
    charts,
    lines,
    planted,
    section,
    sections,
    with_sampling,
)


def test_the_curves_are_of_both_spaces():
    in_h = LEARNING_CURVE["space"] == "h"
    table = LEARNING_CURVE.assign(to_truth=LEARNING_CURVE["to_truth"].where(in_h, 1.0))
    part = section(replace(planted(), learning_curve=table), "learning-curve")
    assert [each.one("h3").text for each in part.all("figure")] == ["In h-space", "In the noise x_T"]
    rising, flat = map(lines, charts(part).values())
    assert rising == {name: [2 / 32, 4 / 32, 8 / 32] for name in ("smile", "age")}
    assert flat == {"smile": [1.0] * 3, "age": [1.0] * 3}


def test_an_attribute_is_a_line_and_twice_as_many_samples_are_one_step_further():
    chart = charts(section(planted(), "learning-curve"))["In h-space"]
    assert [(line["label"], line["colour"]) for line in chart["lines"]] == [("smile", "c0"), ("age", "c1")]
    assert chart["x"]["ticks"] == [[1, "2"], [2, "4"], [3, "8"]]
    assert [x for x, _ in chart["lines"][0]["points"]] == [1, 2, 3]
    assert (chart["y"]["low"], chart["y"]["high"]) == (0, 1)


def test_a_cosine_that_is_no_number_has_no_place():
    table = LEARNING_CURVE.assign(to_truth=LEARNING_CURVE["to_truth"].where(LEARNING_CURVE["n"] != 4))
    chart = charts(section(replace(planted(), learning_curve=table), "learning-curve"))["In h-space"]
    assert lines(chart)["smile"] == [2 / 32, None, 8 / 32]


@pytest.mark.parametrize("eta, noisy", [(1.0, True), ([0.0, 0.5, 1.0, 1.0], True), (0.0, False)])
def test_the_noise_of_every_step_is_said_to_matter_where_it_does(eta, noisy):
    said = "With η above 0 images depend on the noise of every step"
    assert (said in section(with_sampling(eta=eta), "learning-curve").one("p", "note").text) == noisy


def test_without_a_table_there_is_no_section():
    for none in (None, LEARNING_CURVE.iloc[:0]):
        assert "learning-curve" not in sections(replace(planted(), learning_curve=none))
