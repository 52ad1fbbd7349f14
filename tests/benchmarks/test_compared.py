"""Means with intervals over what was repeated, and ratios that no failure can run away with."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from benchmarks._compared import RUNS, WORST, log_ratio, markdown, mean_of, mean_over
from pipeline.models.bundled import BUNDLED


def test_a_mean_has_the_t_interval_of_its_values():
    values = [1.0, 2.0, 4.0]
    low, high = student.interval(0.95, 2, np.mean(values), np.std(values, ddof=1) / np.sqrt(3))
    found = mean_of([*values, np.nan])
    assert found == pytest.approx((np.mean(values), low, high))
    assert found.text() == f"2.33 ({low:.2f} to {high:.2f})"


def test_of_one_value_there_is_no_interval_and_of_none_no_mean():
    assert mean_of([3.0]).text() == "3.00" and np.isnan(mean_of([3.0]).low)
    assert mean_of([]).text() == "" and np.isnan(mean_of([]).value)


def test_intervals_are_over_what_was_repeated_and_not_over_all_rows():
    table = pd.DataFrame({"attribute": ["a"] * 50 + ["b"] * 50, "x": [0.0] * 50 + [1.0] * 50})
    assert mean_over(table, "x", ["attribute"]) == pytest.approx(mean_of([0.0, 1.0]))


def test_a_ratio_ends_at_the_worst_whether_the_target_hardly_moves_or_moves_the_other_way():
    assert np.exp(log_ratio(2.0, 0.5)) == pytest.approx(0.25)
    assert np.exp([log_ratio(0.01, 5.0), log_ratio(0.0, 0.0), log_ratio(-1.0, 0.1)]) == pytest.approx([WORST] * 3)
    assert mean_of([log_ratio(1.0, 2.0), log_ratio(0.0, 1.0)]).ratio().high == WORST


def test_every_bundled_model_is_there_with_a_judge_that_labelled_nothing():
    assert list(RUNS) == list(BUNDLED) == [run.model for run in RUNS.values()]
    assert all(run.annotator not in run.judge and run.attributes for run in RUNS.values())


def test_a_table_of_markdown_keeps_its_cells():
    assert markdown(["a", "b"], [["1", "x|y"]]).splitlines() == ["| a | b |", "| --- | --- |", r"| 1 | x\|y |"]
