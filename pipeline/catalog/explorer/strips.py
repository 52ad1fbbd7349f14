"""What an edit does, to be seen: images of held-out samples by strength."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.catalog.explorer.measured import Measured
from schemas.edits import UNEDITED

Images = tuple[bytes | None, ...]  # one a strength; None where there is none


@dataclass(frozen=True)
class Strip:
    """Images by strength, a row a held-out sample, the unedited ones in their place at 0."""

    strengths: tuple[float, ...]
    rows: tuple[Images, ...]


def strip(measured: Measured, name: str, indices: Iterable[int], n: int | None = None) -> Strip:
    """n held-out samples, or all that have images, at these strengths, which are named by their indices."""
    at = in_order(measured, name, indices)
    columns = [measured.images.get(("unedited" if i == UNEDITED else name, i), [])[:n] for _, i in at]
    n_rows = max(map(len, columns), default=0)
    rows = tuple(tuple(column[i] if i < len(column) else None for column in columns) for i in range(n_rows))
    return Strip(tuple(strength for strength, _ in at), rows)


def in_order(measured: Measured, name: str, indices: Iterable[int]) -> list[tuple[float, int]]:
    """Strengths of a direction with their indices as they rise, the unedited one among them."""
    return sorted([(0.0, UNEDITED), *((measured.strengths[name][index], index) for index in indices)])
