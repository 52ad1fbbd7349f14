"""Full strengths: how far a direction is followed to one side, from what a few images show at each of a few strengths.

Strengths are told by the norm of the offset in *spreads*: the distance of h from its mean, root mean square over samples. They are
tried by doublings of one offset, so that whatever length a direction has it is tried at the same offsets; where the target has
moved just far enough lies on a straight line between two of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

WANTED = 1.5  # standard deviations over unedited samples, by which a target should move at full strength
CHANGED = 0.5  # where nothing is scored: root mean square change of the images, in distances of two unedited samples

LEVEL = 1.2  # what a doubling must move the target by as a share of before, or it has levelled off
SEEN = 0.3  # of what is wanted, from which that is told: less may be chance

FIRST = 0.45  # spreads: the offset that is tried first
DOUBLINGS = range(-6, 4)  # of it, from the least offset that is ever tried to the largest, the bound
FARTHEST = 2  # doublings at once, where images hardly change

Ended = Literal["moved", "levelled", "unrealistic", "bound"]


@dataclass(frozen=True)
class Outcome:
    """What images showed at a strength."""

    moved: float  # by how much of what is wanted; 1 is enough
    realistic: bool

    @property
    def enough(self) -> bool:
        return self.moved >= 1 or not self.realistic

    @property
    def just_enough(self) -> bool:
        """Whether half of the strength need not be tried: it would not move the target far enough."""
        return self.realistic and 1 <= self.moved < 2


class Full(NamedTuple):
    """Where a search ended, why, and by how much of what is wanted the target moves there."""

    doubling: float
    ended: Ended
    moved: float


Tried = Mapping[int, Outcome]  # by doubling of the first offset


def next_doubling(tried: Tried, first: int = 0) -> int | None:
    """Return what to try next; None where it is known where the search ends: at the least doubling that is enough, or after
    which the target hardly moves any more.

    Effects are taken to grow about in proportion, so that several doublings may be gone at once, up or down.
    """
    if not tried:
        return min(max(first, DOUBLINGS[0]), DOUBLINGS[-1])
    if (level := _levelled(tried)) is not None:
        return level - 1 if level == min(tried) and level > DOUBLINGS[0] else None
    enough, short = _bracket(tried)
    if enough is None and short is not None:
        if short < DOUBLINGS[-1]:
            return min(short + _up(tried[short]), DOUBLINGS[-1])
        return short - 1 if len(tried) == 1 and tried[short].moved >= SEEN else None  # it may have levelled off before
    assert enough is not None
    if tried[enough].just_enough or enough == DOUBLINGS[0] or short == enough - 1:
        return None
    return max(enough - _down(tried[enough]), DOUBLINGS[0]) if short is None else (short + enough) // 2


def full(tried: Tried) -> Full:
    """Return where the target has moved just far enough, or the last doubling that moved it farther, or the last before images
    broke, or the bound; and which.
    """
    if (level := _levelled(tried)) is not None:
        return Full(level, "levelled", tried[level].moved)
    enough, short = _bracket(tried)
    if enough is None:
        return Full(max(tried), "bound", tried[max(tried)].moved)
    if tried[enough].moved >= 1:
        return _just_enough(tried, enough, short)
    last = enough if short is None else short
    return Full(last, "unrealistic", tried[last].moved)


def _just_enough(tried: Tried, enough: int, short: int | None) -> Full:
    """Where on the line between two that were tried, or from 0, the target moves by what is wanted.

    It is at most one doubling below `enough`.
    """
    x_0, y_0 = (0.0, 0.0) if short is None else (2.0**short, tried[short].moved)
    x_1, y_1 = 2.0**enough, tried[enough].moved
    x = x_0 + (1 - y_0) / (y_1 - y_0) * (x_1 - x_0)
    x = max(x, x_1 / 2)
    return Full(float(np.log2(x)), "moved", y_0 + (x - x_0) / (x_1 - x_0) * (y_1 - y_0))


def _levelled(tried: Tried) -> int | None:
    """The least doubling after which the target hardly moves any more, though not as far as is wanted, and images are fine."""
    for k, farther in pairwise(sorted(tried)):
        if tried[k].enough or tried[farther].enough:
            break
        if tried[k].moved >= SEEN and tried[farther].moved < LEVEL * tried[k].moved:
            return k
    return None


def _bracket(tried: Tried) -> tuple[int | None, int | None]:
    """The least doubling that is enough, and the largest below it that is not."""
    enough = min((k for k, outcome in tried.items() if outcome.enough), default=None)
    return enough, max((k for k in tried if enough is None or k < enough), default=None)


def _up(outcome: Outcome) -> int:
    """Doublings that an outcome lacks, so that none is missed at which a target has moved far enough."""
    return FARTHEST if outcome.moved <= 2.0**-FARTHEST else 1


def _down(outcome: Outcome) -> int:
    """Doublings that an outcome has too many; where images break it is not known how many."""
    return max(1, int(np.log2(min(outcome.moved, 2.0 ** len(DOUBLINGS))))) if outcome.realistic else 1


def in_spreads(v: np.ndarray, spread: np.ndarray) -> float:
    """Return the norm of a direction v (T, C, H, W) in spreads of h (T,), root mean square over the steps at which h varies.

    Raises ValueError where it varies at none.
    """
    varies = spread > 0
    if not varies.any():
        raise ValueError("h is the same in all samples, so there is no measure of how long a direction is")
    norms = np.linalg.norm(v.reshape(len(v), -1).astype(np.float64), axis=1)
    return float(np.sqrt(np.mean((norms[varies] / spread[varies]) ** 2)))


def spread_of(h: np.ndarray) -> float:
    """Return the root mean square distance of samples' h (B, D) of one step from their mean."""
    return float(np.sqrt(h.astype(np.float64).var(axis=0, ddof=1).sum()))


def change(before: np.ndarray, after: np.ndarray) -> float:
    """Return how much images (n, H, W, C) change, as a share of the distance of two of the unedited ones, root mean squares.

    infinity where these are all the same.
    """
    apart = 2 * before.astype(np.float64).var(axis=0, ddof=1).mean()
    changed = np.square(after.astype(np.float64) - before).mean()
    return float(np.sqrt(changed / apart)) if apart else float("inf") if changed else 0.0
