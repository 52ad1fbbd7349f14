"""Batches cover everything once, in order, and none is larger than asked for."""

import numpy as np
import pytest

from pipeline.batches import batches


@pytest.mark.parametrize(("n", "sizes"), [(0, []), (3, [3]), (4, [4]), (9, [4, 4, 1])])
def test_batches_are_full_but_for_the_last(n, sizes):
    found = list(batches(n, 4))
    assert [each.stop - each.start for each in found] == sizes
    assert [i for each in found for i in range(n)[each]] == list(range(n))


def test_they_are_slices_of_whatever_has_rows():
    rows = np.arange(14).reshape(7, 2)
    assert np.array_equal(np.concatenate([rows[some] for some in batches(len(rows), 3)]), rows)
