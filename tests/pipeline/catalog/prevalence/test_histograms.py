"""Histograms in pixels: every score is in a bar, and the threshold between those that it parts."""

import numpy as np
import pytest

from pipeline.catalog.prevalence.histograms import BINS, histogram

NAN = float("nan")


def test_every_score_is_in_a_bar_and_a_missing_one_in_none():
    scores = np.append(np.random.default_rng(0).normal(size=5_000), [NAN, NAN, 90.0, -90.0])
    drawn = histogram(scores, 0.0)
    assert sum(bar.n for bar in drawn.bars) == 5_002 and len(drawn.bars) <= BINS
    heights = {bar.n: bar.height for bar in drawn.bars}
    most = max(heights)
    assert all(height == pytest.approx(heights[most] * n / most, abs=0.2) for n, height in heights.items())
    assert histogram(np.array([NAN]), 0.0) is None


def test_one_score_far_away_does_not_squeeze_the_others():
    drawn = histogram(np.append(np.random.default_rng(0).normal(size=5_000), 1e6), 0.0)
    assert len(drawn.bars) > 20 and drawn.x.high < 10


def test_the_threshold_parts_the_bars():
    scores = np.concatenate([np.linspace(-2, -1, 50), np.linspace(3, 4, 25)])
    drawn = histogram(scores, 1.0)
    left = [bar.n for bar in drawn.bars if bar.left + bar.width <= drawn.threshold]
    assert sum(left) == 50 and sum(bar.n for bar in drawn.bars) == 75
    assert histogram(scores, 20.0).threshold is None, "too far from every score"
    assert histogram(scores, 6.0).threshold is not None and histogram(scores, NAN).threshold is None


def test_a_few_values_have_a_bar_each():
    drawn = histogram(np.array([0.0, 0, 0, 1]), 0.5)
    zero, one = drawn.bars
    assert (zero.n, one.n) == (3, 1) and [text for _, text in drawn.x_ticks] == ["0", "1"]
    assert zero.left + zero.width < drawn.threshold < one.left
    assert [x for x, _ in drawn.x_ticks] == pytest.approx([zero.left + zero.width / 2, one.left + one.width / 2], abs=1)
    [alone] = histogram(np.ones(7), NAN).bars
    assert alone.n == 7
