"""Rows go in and columns come out, as they were."""

import numpy as np

from pipeline.formats.spilled import Spilled


def test_columns_are_those_of_the_rows_that_came(tmp_path):
    rows = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    rows[2, 1] = np.nan
    with open(tmp_path / "columns", "w+b") as file:
        table = Spilled(file, ["a", "b", "c"], 7)
        for some in (rows[:2], rows[2:2], rows[2:]):
            table.append(some)
        assert len(table) == 7
        for name, expected in zip("acb", rows.T[[0, 2, 1]], strict=True):
            np.testing.assert_array_equal(table[name], expected)
