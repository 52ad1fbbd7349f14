"""What running sums make is what the samples make, in whatever batches they came."""

import numpy as np
import pytest
import torch

from pipeline.estimators.linear import discriminants
from pipeline.estimators.statistics import SufficientStatistics
from tests.pipeline.planted_h import Span, cosine, relative_error, small


def summed(h: np.ndarray, scores: np.ndarray, batch: int = 32) -> SufficientStatistics:
    sums = SufficientStatistics(np.zeros(scores.shape[1]))
    for start in range(0, len(h), batch):
        sums.partial_fit(h[start : start + batch], scores[start : start + batch])
    return sums


def test_running_sums_make_what_the_samples_make():
    of_h, scores = small()
    sums = summed(of_h.h, scores)
    mean, std = sums.moments()
    np.testing.assert_allclose(mean, of_h.mean, rtol=1e-12)
    np.testing.assert_allclose(std, of_h.std, rtol=1e-9)
    for a, v in enumerate(sums.mean_differences()):
        above = scores[:, a] > 0
        np.testing.assert_allclose(
            v, of_h.h[above].mean(0, np.float64) - of_h.h[~above].mean(0, np.float64), atol=1e-10
        )
    adjusted = of_h.displacements(discriminants(of_h.z, scores, 1)[0])
    assert relative_error(sums.adjusted_differences(), adjusted) < 1e-5


@pytest.mark.parametrize("shrinkage", [0.01, 0.5, 0.9, 1.0])
def test_discriminants_of_sums_and_all_components_are_those_of_the_samples(shrinkage):
    of_h, scores = small()
    _, s, V = np.linalg.svd(of_h.h - of_h.mean, full_matrices=False)
    found = summed(of_h.h, scores).discriminants(shrinkage, V[:-1], s[:-1] ** 2 / 119)
    assert relative_error(found, of_h.displacements(discriminants(of_h.z, scores, shrinkage)[0])) < 1e-5


def test_what_the_kept_components_leave_out_counts_as_even():
    """h of a few strong components and even noise: those components are all that a discriminant has to know of it."""
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((600, 2))
    h = rng.standard_normal((600, 8)) @ rng.standard_normal((8, 400)) + scores @ rng.standard_normal((2, 400))
    of_h = Span((h + rng.standard_normal((600, 400))).astype(np.float32))
    _, s, V = np.linalg.svd(of_h.h - of_h.mean, full_matrices=False)
    found = summed(of_h.h, scores).discriminants(0.5, V[:12], s[:12] ** 2 / 599)
    for ours, exact in zip(found, of_h.displacements(discriminants(of_h.z, scores, 0.5)[0]), strict=True):
        assert cosine(ours, exact) > 0.99


def test_merged_sums_are_those_of_all_samples():
    of_h, scores = small()
    whole, parts = summed(of_h.h, scores), [summed(of_h.h[rows], scores[rows]) for rows in (slice(50), slice(50, None))]
    merged = SufficientStatistics(np.zeros(3)).merge(SufficientStatistics(np.zeros(3))).merge(parts[0]).merge(parts[1])
    again = SufficientStatistics.from_state(merged.state())
    assert again.n == 120
    for name, array in whole.state().items():
        np.testing.assert_allclose(again.state()[name], array, rtol=1e-12, atol=1e-10)
    empty = SufficientStatistics.from_state(SufficientStatistics(np.zeros(3)).state())
    assert empty.merge(again).n == 120


def test_a_copy_of_the_state_is_not_the_state():
    of_h, scores = small()
    sums = summed(of_h.h[:60], scores[:60])
    restored = SufficientStatistics.from_state(sums.state()).partial_fit(of_h.h[60:], scores[60:])
    assert (restored.n, sums.n) == (120, 60)


def test_a_missing_score_counts_where_the_sample_still_has_a_side():
    of_h, scores = small()
    scores[:10, 1] = np.nan
    sums = summed(of_h.h, scores)
    assert sums.n == 110
    np.testing.assert_array_equal(sums.counts.sum(axis=0), [120, 110, 120])
    above = scores[:, 0] > 0
    expected = of_h.h[above].mean(0, np.float64) - of_h.h[~above].mean(0, np.float64)
    np.testing.assert_allclose(sums.mean_differences()[0], expected, atol=1e-10)
    complete = summed(of_h.h[10:], scores[10:])
    np.testing.assert_allclose(sums.adjusted_differences(), complete.adjusted_differences(), rtol=1e-9)


def test_thresholds_may_leave_a_gap_or_not_be_there():
    of_h, scores = small()
    sums = SufficientStatistics([1.0, 0.5, np.nan], [-1.0, -0.5, np.nan]).partial_fit(of_h.h, scores)
    expected = of_h.h[scores[:, 0] > 1].mean(0, np.float64) - of_h.h[scores[:, 0] <= -1].mean(0, np.float64)
    np.testing.assert_allclose(sums.mean_differences()[0], expected, atol=1e-10)
    assert np.isnan(sums.mean_differences()[2]).all()
    assert np.isfinite(sums.adjusted_differences()).all()


def test_thousands_of_float16_rows_lose_no_digits():
    """Of a mean far from 0, where sums in float32 would lose the spread."""
    rng = np.random.default_rng(0)
    h = (1000 + rng.standard_normal((8000, 3))).astype(np.float16)
    sums = summed(h, rng.standard_normal((8000, 1)), batch=500)
    np.testing.assert_allclose(sums.moments()[0], h.mean(0, np.float64), rtol=1e-12)
    np.testing.assert_allclose(sums.moments()[1], h.std(0, dtype=np.float64), rtol=1e-8)


def test_sums_that_do_not_fit_together_are_refused():
    of_h, scores = small()
    sums = summed(of_h.h, scores)
    with pytest.raises(ValueError, match=r"\(120, 2\): expected \(120, 3\)"):
        sums.partial_fit(of_h.h, scores[:, :2])
    with pytest.raises(ValueError, match="100 numbers a sample cannot be added to sums of 200"):
        sums.partial_fit(of_h.h[:, :100], scores)
    with pytest.raises(ValueError, match="other classes"):
        sums.merge(SufficientStatistics([0.0, 0.0, 1.0]))


@pytest.mark.parametrize(("h", "score"), [(np.nan, 0.0), (np.inf, 0.0), (0.0, np.inf), (0.0, -np.inf)])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_what_would_make_sums_useless_is_refused_and_changes_nothing(h, score, kind):
    of_h, scores = small()
    sums = summed(of_h.h, scores)
    before, rows, values = sums.state(), of_h.h.copy(), scores.copy()
    rows[7, 5] += h
    values[7, 1] += score
    with pytest.raises(ValueError, match="finite|infinite"):
        sums.partial_fit(kind(rows), values)
    assert all(np.array_equal(array, before[name]) for name, array in sums.state().items())


@pytest.mark.parametrize("n", [12, 13])
def test_where_scores_explain_h_entirely_there_are_no_discriminants(n):
    """As of all samples: rounding is no direction."""
    rng = np.random.default_rng(0)
    h, scores = rng.standard_normal((n, 200)), rng.standard_normal((n, 12))
    _, s, V = np.linalg.svd(h - h.mean(0), full_matrices=False)
    found = summed(h, scores).discriminants(0.5, V[:-1], s[:-1] ** 2 / (n - 1))
    assert np.isnan(found).all() and found.shape == (12, 200)
