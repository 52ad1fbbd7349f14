"""Full strengths: how far a direction is followed to one side, from what a few images show at each of a few strengths.

Strengths are told by the norm of the offset in *spreads*: the distance of h from its mean, root mean square over samples. They are
tried by doublings of one offset, so that whatever length a direction has it is tried at the same offsets; where the target has
moved just far enough lies on a straight line between two of them. A few images may lose something by chance, or seem to move no
farther: that a search ends for such a reason is told by two strengths together or three, as far as there are farther ones.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import t as student

from pipeline.metrics.realism import CHANCE, TAIL

WANTED = 1.5  # standard deviations over unedited samples, by which a target should move at full strength
CHANGED = 0.5  # where nothing is scored: root mean square change of the images, in distances of two unedited samples

LEVEL = 1.2  # where neither of the next two doublings moves the target by so much, as a share, it has levelled off
SEEN = 0.3  # of what is wanted, from which that is told: less may be chance

FIRST = 0.45  # spreads: the offset that is tried first
LEAST, BOUND = -6, 3  # doublings of it: the least offset that is ever tried, and the largest
FARTHEST = 2  # doublings at once, where images hardly change

Ended = Literal["moved", "levelled", "unrealistic", "bound"]


@dataclass(frozen=True)
class Outcome:
    """What images showed at a strength."""

    moved: float  # by how much of what is wanted; 1 is enough
    each: tuple[float, ...] = ()  # by how much each sample, of which it is the mean; none where that is not known
    lost: float = 0.0  # how much less images look like the model's own than may be, in standard errors

    @property
    def realistic(self) -> bool:
        return self.lost <= CHANCE

    @property
    def settled(self) -> bool:
        """Whether half of this strength need not be tried, where a search ends here: it would fall short or, at the bound, hardly
        move anything either.
        """
        return self.realistic and (self.moved < SEEN or 1 <= self.moved < 2)


class Full(NamedTuple):
    """Where a search ended, why, and by how much of what is wanted the target moves there."""

    doubling: float
    ended: Ended
    moved: float


class Untried(LookupError):
    """Where a search ends depends on a doubling that was not tried."""

    def __init__(self, doubling: int) -> None:
        super().__init__(f"doubling {doubling} was not tried")
        self.doubling = doubling


class Tried(dict[int, Outcome]):
    """What was shown, by doubling of the first offset, in the order in which they were tried."""

    def __missing__(self, doubling: int) -> Outcome:
        raise Untried(doubling)


def next_doubling(tried: Tried, first: int = 0) -> int | None:
    """Return what to try next; None where it is known where the search ends."""
    if not tried:
        return min(max(first, LEAST), BOUND)
    try:
        full(tried)
    except Untried as wanted:
        return wanted.doubling
    return None


def full(tried: Tried) -> Full:
    """Return the end of a search: the strength at which the target has moved just far enough, or the least doubling after which it
    hardly moves any more, or the last before images broke, or the bound; and which.

    Effects are taken to grow about in proportion, so that several doublings may be gone at once, up or down. Raises Untried where
    the end is not known yet.
    """
    short = LEAST - 1  # the largest doubling beyond which it must go
    enough = BOUND + 1  # the least beyond which it need not
    k = next(iter(tried))
    while short < enough - 1:
        if _ended(tried, k) is None:
            short, k = k, min(k + _up(tried[k]), BOUND)
        else:
            enough, k = k, max(k - _down(tried[k]), LEAST)
            if tried[enough].settled:
                break
        if short >= LEAST and enough <= BOUND:
            k = (short + enough) // 2
    ended = _ended(tried, enough)
    if ended == "moved":
        return _just_enough(tried, enough, short)
    last = short if ended == "unrealistic" and short >= LEAST else enough
    return Full(last, ended or "bound", tried[last].moved)


def _ended(tried: Tried, k: int) -> Ended | None:
    """Why a search need not go beyond a doubling; None where it must."""
    if tried[k].moved >= 1:
        return "moved"
    if _broken(tried, k):
        return "unrealistic"
    if k == BOUND:
        return "bound"
    return "levelled" if tried[k].moved >= SEEN and _level(tried, k) else None


def _broken(tried: Tried, k: int) -> bool:
    """Whether images break, by what they lose at this doubling and the next together, in standard errors (Stouffer 1949)."""
    if tried[k].realistic:
        return False
    lost = [tried[each].lost for each in (k, k + 1) if each <= BOUND]
    return sum(lost) / sqrt(len(lost)) > CHANCE


def _level(tried: Tried, k: int) -> bool:
    """Whether neither of the next two doublings moves a target much farther; where the second breaks images, that says nothing."""
    if _broken(tried, k + 1) or not _no_farther(tried[k], tried[k + 1]):
        return False
    return k + 1 == BOUND or _broken(tried, k + 2) or _no_farther(tried[k], tried[k + 2])


def _no_farther(near: Outcome, far: Outcome) -> bool:
    """Whether a farther strength moves a target on by less than `LEVEL`, and by more than the sampling error of few samples less.

    Each sample is compared with itself; the error is one-sided, by t.
    """
    if far.moved >= 1:
        return False
    if not near.each or not far.each:
        return far.moved < LEVEL * near.moved
    missing = LEVEL * np.array(near.each) - np.array(far.each)
    error = float(missing.std(ddof=1)) / sqrt(len(missing))
    return bool(missing.mean() > student.ppf(1 - TAIL, len(missing) - 1) * error)


def _just_enough(tried: Tried, enough: int, short: int) -> Full:
    """Where on the line between two that were tried, or from 0, the target moves by what is wanted.

    It is at most one doubling below `enough`.
    """
    x_0, y_0 = (2.0**short, tried[short].moved) if short >= LEAST else (0.0, 0.0)
    x_1, y_1 = 2.0**enough, tried[enough].moved
    x = x_0 + (1 - y_0) / (y_1 - y_0) * (x_1 - x_0)
    x = max(x, x_1 / 2)
    return Full(float(np.log2(x)), "moved", y_0 + (x - x_0) / (x_1 - x_0) * (y_1 - y_0))


def _up(outcome: Outcome) -> int:
    """Doublings that an outcome lacks, so that none is missed at which a target has moved far enough."""
    return FARTHEST if outcome.moved <= 2.0**-FARTHEST else 1


def _down(outcome: Outcome) -> int:
    """Doublings that an outcome has too many; where images break, or it has levelled off, it is not known how many."""
    known = outcome.realistic and outcome.moved >= 1
    return max(1, int(np.log2(min(outcome.moved, 2.0 ** (BOUND - LEAST))))) if known else 1


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
