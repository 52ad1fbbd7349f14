"""What the report is made of: scores of images, a row an image, and what is known of each column."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Protocol

import numpy as np
import pandas as pd

Images = Callable[[Sequence[int]], np.ndarray]  # rows of the scores -> (B, H, W, 3) uint8


class Scores(Protocol):
    """A table that gives one column at a time: a data frame, or what is too large for one."""

    def __len__(self) -> int: ...

    def __getitem__(self, name: str, /) -> Any: ...


@dataclass(frozen=True)
class Scored:
    """A column of scores: who says what."""

    annotator: str
    attribute: str
    threshold: float  # above which an image has it; NaN is not known
    labels: bool = False  # whether they are labels, that other scores are compared with

    @property
    def column(self) -> str:
        """What it is called in the table."""
        return f"{self.annotator}.{self.attribute}"


@dataclass(frozen=True, eq=False)
class ScoredImages:
    """Scores of a set of images, and which of its images could not be read."""

    of: str  # the set, for people
    columns: tuple[Scored, ...]
    scores: Scores  # a row an image, NaN where missing
    broken: pd.DataFrame  # name, kind, reason

    @property
    def n(self) -> int:
        return len(self.scores)

    @property
    def annotators(self) -> list[str]:
        return list(dict.fromkeys(each.annotator for each in self.columns))

    def values(self, scored: Scored) -> np.ndarray:
        """The scores of one column, (n,) float64."""
        return np.asarray(self.scores[scored.column], np.float64)

    def shared(self) -> Iterator[tuple[Scored, Scored]]:
        """Pairs of columns of one attribute, by two annotators."""
        by_attribute: dict[str, list[Scored]] = {}
        for each in self.columns:
            by_attribute.setdefault(each.attribute, []).append(each)
        for alike in by_attribute.values():
            yield from combinations(alike, 2)
