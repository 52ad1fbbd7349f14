import numpy as np
import pytest

from pipeline.catalog.explorer import charts
from pipeline.catalog.web.charts import Line, chart

TICKS = [(0.0, "0"), (1.0, ""), (2.0, "2")]


def test_points_lie_between_the_first_tick_and_the_last():
    drawn = chart([Line("a", ((0.0, 0.0), (1.0, 1.0), (2.0, 2.0)), "c0")], TICKS, TICKS, size=(470, 290))
    assert drawn.lines[0].points == ((44, 250), (214, 138), (384, 26))
    assert drawn.x_ticks == ((44, "0"), (384, "2")), "a tick without a text is none"


def test_what_is_no_number_is_left_out():
    line = Line("a", ((0.0, 1.0), (1.0, float("nan")), (2.0, 2.0)), "c0", errors=(0.1, 0.1, 0.0))
    [drawn] = chart([line], TICKS, TICKS).lines
    assert [x for x, _ in drawn.points] == [44, 384] and drawn.marked
    assert [x for x, _, _ in drawn.whiskers] == [44], "an error of 0 has no whisker"
    ending_nowhere = Line("b", ((0.0, 1.0), (2.0, float("nan"))), "c0")
    assert [label.line.label for label in chart([line, ending_nowhere], TICKS, TICKS).labels] == ["a"]


def test_a_lone_point_is_marked():
    alone, joined = Line("a", ((0.0, 1.0),), "c0"), Line("b", ((0.0, 1.0), (1.0, 1.0)), "c0")
    assert [drawn.marked for drawn in chart([alone, joined], TICKS, TICKS).lines] == [True, False]


def test_the_band_goes_there_above_and_back_below():
    drawn = chart([], TICKS, TICKS, band=[(0, 0, 2), (2, 1, 2)])
    assert drawn.band == ((44, 26), (384, 26), (384, 138), (44, 250))


def test_a_share_of_an_axis_without_length_is_its_middle():
    assert charts.Axis(1, 1, 0, 10)(1) == 5


def test_labels_are_spread_apart_in_order_and_stay_inside():
    places = charts.spread([50, 50, 51, 10, 99], 13, 0, 100)
    assert sorted(places) == [places[i] for i in (3, 0, 1, 2, 4)]
    assert np.diff(sorted(places)).min() > 12.5 and min(places) >= 0 and max(places) <= 100.5
    assert charts.spread([5.0], 13, 0, 100) == [5.0] and charts.spread([], 13, 0, 100) == []


@pytest.mark.parametrize("low, high", [(-2.3, 2.3), (0, 0.031), (0.5, 1), (0, 480), (1, 1), (float("nan"), 1)])
def test_ticks_are_round_and_enclose(low, high):
    found = charts.ticks(low, high)
    assert 2 <= len(found) <= 8
    if low < high:
        assert found[0] <= low and found[-1] >= high


def test_ticks_are_written_alike():
    assert charts.number_ticks(-0.5, 0.5, 4) == [
        (-0.5, "−0.50"),
        (-0.25, "−0.25"),
        (0, "0.00"),
        (0.25, "0.25"),
        (0.5, "0.50"),
    ]
    assert charts.percent_ticks(0, 0.2, 2) == [(0, "0 %"), (0.1, "10 %"), (0.2, "20 %")]
    assert charts.strength_ticks((-2.0, 0.5)) == [(-2, "−2"), (0, "0"), (0.5, "+0.5")]


def test_of_many_steps_the_first_and_the_last_are_labelled():
    labels = [text for _, text in charts.step_ticks(list(range(100, 0, -5)))]
    assert labels[0] == "100" and labels[-1] == "5" and len([text for text in labels if text]) == 6
    assert charts.step_ticks([999]) == [(0, "999")]
