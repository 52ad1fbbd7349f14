"""A table of numbers that comes by rows and is asked for by columns, in a file."""

from collections.abc import Sequence
from typing import BinaryIO

import numpy as np

_TYPE = np.dtype(np.float32)


class Spilled:
    """n rows of named columns, float32, in an open file. In memory is what is written, or the column that is read."""

    def __init__(self, file: BinaryIO, names: Sequence[str], n: int) -> None:
        self._file, self._n, self._done = file, n, 0
        self._place = {name: i for i, name in enumerate(names)}

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a column, (n,) float32."""
        self._seek(self._place[name], 0)
        return np.fromfile(self._file, _TYPE, self._n)

    def append(self, rows: np.ndarray) -> None:
        """Write the next rows (m, columns)."""
        for i, column in enumerate(rows.T):
            self._seek(i, self._done)
            self._file.write(np.ascontiguousarray(column, _TYPE).tobytes())
        self._file.flush()
        self._done += len(rows)

    def _seek(self, column: int, row: int) -> None:
        self._file.seek((column * self._n + row) * _TYPE.itemsize)
