"""The rule of signs, and that it undoes whatever a library does."""

import numpy as np
import torch

from pipeline.signs import signed, signs


def test_the_entry_that_is_largest_in_magnitude_is_positive():
    rows = np.array([[1.0, -3.0, 2.0], [-1.0, 3.0, 2.0], [2.0, -2.0, 0.0], [0.0, 0.0, 0.0]], np.float32)
    assert signed(rows).tolist() == [[-1, 3, -2], [-1, 3, 2], [2, -2, 0], [0, 0, 0]], "of equals the first counts"
    assert signs(torch.from_numpy(rows).reshape(2, 2, 3)).tolist() == [[-1, 1], [1, 1]]


def test_a_row_and_its_negative_come_out_alike_whatever_the_shape_and_order_in_memory():
    rows = np.random.default_rng(0).standard_normal((5, 4, 3, 2)).astype(np.float32)
    flipped = np.asfortranarray(rows * np.array([1, -1, -1, 1, -1], np.float32)[:, None, None, None])
    assert np.array_equal(signed(rows), signed(flipped)) and signed(rows).dtype == np.float32
    assert np.array_equal(np.abs(signed(rows)), np.abs(rows))
