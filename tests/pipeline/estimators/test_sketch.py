"""Sketches: what is merged in a tree does not depend on anything but the order of the leaves."""

from pipeline.estimators.sketch import merge_in_tree


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
