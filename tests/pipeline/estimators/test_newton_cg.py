"""The solver's fits are those of scikit-learn, one at a time, whatever else is solved beside them."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from pipeline.estimators.newton_cg import solve
from pipeline.estimators.selection import sides
from tests.pipeline.planted_h import cosine, relative_error, small

LOSSES = ("logistic", "squared")


@pytest.mark.parametrize("C", [1e-6, 1e-3, 1.0, 100.0])
@pytest.mark.parametrize("loss", LOSSES)
def test_fits_are_those_of_scikit_learn(loss, C):
    """Whether the regulariser rules or the samples can be told apart entirely."""
    of_h, scores = small()
    y = sides(scores + 0.5) if loss == "logistic" else scores + 0.5
    counts = np.random.default_rng(1).integers(0, 3, y.shape).astype(float)
    w, b = solve(of_h.z, y, counts, np.full(3, C), loss)
    found = of_h.standardised(w)
    for a in range(3):
        if loss == "logistic":
            theirs = LogisticRegression(C=C, tol=1e-9, max_iter=1000, solver="newton-cholesky")
        else:
            theirs = Ridge(alpha=1 / C, solver="cholesky")
        theirs.fit(of_h.X, y[:, a], sample_weight=counts[:, a])
        assert relative_error(found[a], theirs.coef_.ravel()) < 1e-5
        assert cosine(found[a], theirs.coef_.ravel()) > 0.999999
        assert b[a] == pytest.approx(float(np.ravel(theirs.intercept_)[0]), abs=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_weight_of_0_is_a_row_left_out_and_of_2_a_row_twice(loss):
    of_h, scores = small()
    y = sides(scores) if loss == "logistic" else scores
    counts = np.random.default_rng(2).integers(0, 3, len(y))
    drawn, C = np.repeat(np.arange(len(y)), counts), np.full(3, 0.01)
    weighted = solve(of_h.z, y, np.repeat(counts[:, None], 3, axis=1), C, loss)
    repeated = solve(of_h.z[drawn], y[drawn], np.ones((len(drawn), 3)), C, loss)
    for ours, theirs in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_problems_do_not_mind_each_other(loss, monkeypatch):
    """Columns with regularisers far apart converge at different times; chunks of them end where they will."""
    of_h, scores = small()
    y, C = (sides(scores) if loss == "logistic" else scores)[:, [0, 1, 2, 0, 1]], np.array([1e-5, 1.0, 1e-2, 30, 1e-4])
    ones = np.ones_like(y)
    alone = [solve(of_h.z, y[:, [j]], ones[:, [j]], C[[j]], loss)[0][0] for j in range(5)]
    monkeypatch.setattr("pipeline.estimators.newton_cg.PROBLEMS", 3)
    assert relative_error(solve(of_h.z, y, ones, C, loss)[0], np.stack(alone)) < 3e-6


@pytest.mark.parametrize("loss", LOSSES)
def test_a_missing_label_weighs_nothing_and_one_class_has_no_answer(loss):
    of_h, scores = small()
    y = sides(scores[:, :2]) if loss == "logistic" else scores[:, :2].copy()
    y[7] = np.nan
    there = np.ones((len(y), 2))
    there[7] = 0
    C = np.full(2, 0.1)
    w, b = solve(of_h.z, y, np.ones_like(there), C, loss)
    expected = solve(of_h.z, np.nan_to_num(y), there, C, loss)[0]
    np.testing.assert_allclose(w, expected, rtol=1e-9, atol=1e-12)

    y[:, 1] = 1
    w, b = solve(of_h.z, y, there, C, loss)
    assert np.isnan(w[1]).all() and np.isnan(b[1])
    np.testing.assert_allclose(w[0], expected[0], rtol=1e-6, atol=1e-9)


def test_what_is_not_finite_or_not_known_is_refused():
    of_h, scores = small()
    with pytest.raises(ValueError, match="'hinge': expected one of logistic, squared"):
        solve(of_h.z, sides(scores), np.ones((120, 3)), np.ones(3), "hinge")
    of_h.z[3, 3] = np.nan
    for loss in LOSSES:
        with pytest.raises(ValueError, match="not finite"):
            solve(of_h.z, sides(scores), np.ones((120, 3)), np.ones(3), loss)
