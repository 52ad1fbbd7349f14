"""Charts are numbers that JSON can have; what a browser draws of them is charts.js's own."""

import json

import pytest

from pipeline.catalog.templates import ASSETS
from pipeline.catalog.web.charts import SERIES, Chart, Line, Scale, by_step, finite, step_ticks

NAN, INF = float("nan"), float("inf")


def test_a_chart_is_written_with_all_that_it_has():
    line = Line("a", ((0.0, 1.0), (1.0, 2.5)), "c0", errors=(0.1, 0.2), share=0.5)
    chart = Chart((line,), Scale.of([(0.0, "0"), (1.0, "")]), Scale(low=0.0), band=((0.0, -1.0, 1.0),), baseline=0.5)
    assert json.loads(json.dumps(chart.spec(), allow_nan=False)) == {
        "lines": [{"label": "a", "points": [[0, 1], [1, 2.5]], "colour": "c0", "errors": [0.1, 0.2], "share": 0.5}],
        "x": {"low": 0, "high": 1, "ticks": [[0, "0"]], "percent": False},
        "y": {"low": 0, "high": None, "ticks": None, "percent": False},
        "band": [[0, -1, 1]],
        "baseline": 0.5,
    }


def test_what_is_no_number_is_none_wherever_it_stands():
    line = Line("a", ((0.0, NAN), (1.0, INF), (2.0, 3.0)), "c0", errors=(NAN, 0.0, -INF))
    spec = Chart((line,), y=Scale(NAN, 1.0), baseline=NAN).spec()
    assert spec["lines"][0]["points"] == [[0, None], [1, None], [2, 3]]
    assert spec["lines"][0]["errors"] == [None, 0, None]
    assert (spec["y"]["low"], spec["y"]["high"], spec["baseline"]) == (None, 1, None)
    nested = {"a": (1, [NAN, "nan", True, None]), "b": {"c": -INF}}
    assert finite(nested) == {"a": [1, [None, "nan", True, None]], "b": {"c": None}}


def test_an_axis_runs_from_its_first_tick_to_its_last_and_one_without_a_text_is_none():
    assert Scale.of([(0.0, ""), (1.0, "a"), (2.0, "")]) == Scale(0.0, 2.0, ((1.0, "a"),))


def test_of_many_steps_the_first_and_the_last_are_labelled():
    labels = [text for _, text in step_ticks(list(range(100, 0, -5)))]
    assert labels[0] == "100" and labels[-1] == "5" and len([text for text in labels if text]) == 6
    assert step_ticks([999]) == [(0, "999")]
    assert [text for _, text in step_ticks([9, 5, 1])] == ["9", "5", "1"]


def test_a_line_over_the_steps_counts_them():
    assert by_step("a", [3, 2], "target") == Line("a", ((0.0, 3.0), (1.0, 2.0)), "target")


@pytest.mark.parametrize("colour", [f"c{i}" for i in range(SERIES)])
def test_a_colour_of_a_line_is_one_of_the_style_sheet_in_light_and_in_dark(colour):
    assert (ASSETS / "style.css").read_text().count(f"--{colour}:") == 2
