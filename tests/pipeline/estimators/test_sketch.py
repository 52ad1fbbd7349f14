"""Sketches: what is merged in a tree does not depend on anything but the order of the leaves."""

import numpy as np
import pytest

from pipeline.estimators.sketch import Sketch, merge_in_tree


class Named(str):
    """Merges by bracketing."""

    def merge(self, other: "Named") -> "Named":
        return Named(f"({self}{other})")


def test_the_tree_pairs_neighbours_and_the_last_moves_up():
    trees = {1: "0", 2: "(01)", 5: "(((01)(23))4)", 6: "(((01)(23))(45))", 7: "(((01)(23))((45)6))"}
    for n, tree in trees.items():
        assert merge_in_tree(Named(i) for i in range(n)) == tree


def test_few_sketches_wait():
    waiting = peak = 0

    class Counted:
        def merge(self, other):
            nonlocal waiting
            waiting -= 1
            return self

    def arriving():
        nonlocal waiting, peak
        for _ in range(100):
            waiting += 1
            peak = max(peak, waiting)
            yield Counted()

    merge_in_tree(arriving())
    assert waiting == 1 and peak <= 8


def test_what_is_refused_changes_nothing():
    rng = np.random.default_rng(0)
    h, scores = rng.standard_normal((100, 30)).astype(np.float16), rng.standard_normal((100, 2))
    sketch, before = (Sketch(8, (0.0, 0.0), batch=32).partial_fit(h, scores) for _ in range(2))
    bad = h.copy()
    bad[70, 3] = np.inf
    for rows, values in ((bad, scores), (h, scores[:, :1]), (h[:, 1:], scores)):
        with pytest.raises(ValueError, match="row 70|Scores of shape|expected"):
            sketch.partial_fit(rows, values)
        mine, others = sketch.state(), before.state()
        assert all(np.array_equal(mine[name], others[name], equal_nan=True) for name in mine)


def test_rows_that_wait_are_the_sketches_own():
    """Until there is a batch of them, and whoever gave them may write into his array again."""
    rng = np.random.default_rng(1)
    first, second = rng.standard_normal((2, 20, 30)).astype(np.float16)
    scores = rng.standard_normal((20, 2))
    expected = Sketch(4, (0.0, 0.0), batch=32).partial_fit(first, scores).partial_fit(second, scores).settled().state()
    again, buffer = Sketch(4, (0.0, 0.0), batch=32), first.copy()
    again.partial_fit(buffer, scores)
    buffer[:] = second
    found = again.partial_fit(buffer, scores).settled().state()
    assert all(np.array_equal(found[name], expected[name], equal_nan=True) for name in expected)


def test_before_the_first_batch_rows_of_another_size_are_refused_too():
    sketch = Sketch(2, (0.0,), batch=8).partial_fit(np.zeros((3, 5), np.float16), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="h of 6 numbers a sample cannot follow h of 5"):
        sketch.partial_fit(np.zeros((3, 6), np.float16), np.zeros((3, 1)))
    rows = np.random.default_rng(0).standard_normal((9, 5)).astype(np.float16)
    assert sketch.partial_fit(rows, np.zeros((9, 1))).settled().sums.n == 12


def test_a_state_is_not_changed_by_what_comes_later():
    rng = np.random.default_rng(2)
    h, scores = rng.standard_normal((64, 30)).astype(np.float16), rng.standard_normal((64, 2))
    sketch = Sketch(4, (0.0, 0.0), batch=32).partial_fit(h, scores)
    state = sketch.state()
    sketch.partial_fit(h, scores)
    saved = Sketch.from_state(state)
    assert saved.sums.n == saved.pca.n_samples_seen_ == 64
