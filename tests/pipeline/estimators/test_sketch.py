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
