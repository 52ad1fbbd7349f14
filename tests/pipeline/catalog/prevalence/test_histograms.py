"""Histograms as numbers: every score is in a bar, and the threshold between those that it parts."""

import json

import numpy as np
import pytest

from pipeline.catalog.prevalence.histograms import BINS, OUTER, histogram

NAN = float("nan")


def test_every_score_is_in_a_bar_and_a_missing_one_in_none():
    scores = np.append(np.random.default_rng(0).normal(size=5_000), [NAN, NAN, 90.0, -90.0])
    drawn = histogram(scores, 0.0)
    assert sum(n for _, _, n in drawn.bars) == 5_002 and len(drawn.bars) <= BINS
    assert all(n > 0 and low < high for low, high, n in drawn.bars)
    for low, high, n in drawn.bars[1:-1]:
        assert n == ((scores >= low) & (scores < high)).sum()
    assert histogram(np.array([NAN]), 0.0) is None and histogram(np.array([]), 0.0) is None


def test_bars_rise_side_by_side_and_are_as_wide_as_one_another():
    drawn = histogram(np.random.default_rng(0).uniform(size=9_000), 0.5)
    assert len(drawn.bars) == BINS and drawn.ticks is None
    assert [low for low, _, _ in drawn.bars[1:]] == [high for _, high, _ in drawn.bars[:-1]]
    assert np.ptp([high - low for low, high, _ in drawn.bars]) < 1e-9


def test_one_score_far_away_does_not_squeeze_the_others():
    scores = np.append(np.random.default_rng(0).normal(size=5_000), 1e6)
    drawn = histogram(scores, 0.0)
    low, high, n = drawn.bars[-1]
    assert len(drawn.bars) > 20 and high < 10
    assert n == (scores >= low).sum() > OUTER * 5_000, "it counts with the last"


def test_the_threshold_parts_the_bars():
    scores = np.concatenate([np.linspace(-2, -1, 50), np.linspace(3, 4, 25)])
    drawn = histogram(scores, 1.0)
    left = [n for _, high, n in drawn.bars if high <= drawn.threshold]
    assert sum(left) == 50 and sum(n for _, _, n in drawn.bars) == 75
    assert histogram(scores, 20.0).threshold is None, "too far from every score"
    assert histogram(scores, 6.0).threshold == 6 and histogram(scores, NAN).threshold is None


def test_a_few_values_have_a_bar_each():
    drawn = histogram(np.array([0.0, 0, 0, 1]), 0.5)
    zero, one = drawn.bars
    assert (zero[2], one[2]) == (3, 1) and drawn.ticks == ((0.0, "0"), (1.0, "1"))
    assert zero[1] < drawn.threshold < one[0]
    assert [at for at, _ in drawn.ticks] == pytest.approx([(low + high) / 2 for low, high, _ in drawn.bars])
    [alone] = histogram(np.ones(7), NAN).bars
    assert alone[2] == 7
    below, _ = histogram(np.array([-1.0, 1.0]), NAN).ticks
    assert below == (-1.0, "−1")


def test_it_is_written_with_numbers_alone():
    for scores, threshold in ((np.array([0.0, 1.0, 1.0]), 0.5), (np.random.default_rng(0).normal(size=99), NAN)):
        drawn = histogram(scores, threshold)
        spec = json.loads(json.dumps(drawn.spec(), allow_nan=False))
        assert [tuple(bar) for bar in spec["bars"]] == list(drawn.bars) and spec["threshold"] == drawn.threshold
        assert (spec["ticks"] is None) == (drawn.ticks is None)
