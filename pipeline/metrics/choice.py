"""At which capture point a direction is best: by what it does on samples that are for choosing alone.

The rule: of the points at which a direction moves its target by `REACHED` at a strength where images still are the model's own, and
at which less than `PASTED` of what changes is the same in all images, that with the smallest largest effect on anything else, as a
share of the effect on the target; of those that are as good but for `ALIKE`, the first in the order of a pass. Where there is no
such point, that at which the target moves most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline.metrics.calibration import valid_range
from pipeline.metrics.response import Response
from pipeline.metrics.template import PASTED

REACHED = 0.75  # standard deviations
ALIKE = 0.1  # difference of two shares


@dataclass(frozen=True)
class Tried:
    """What a direction does at the farthest strength at which images are the model's own."""

    strength: float
    on_target: float
    off_target: float
    pasted: float  # NaN where it was not measured

    @property
    def share(self) -> float:
        """The largest effect on anything else, of that on the target."""
        return self.off_target / self.on_target if self.on_target > 0 else np.inf

    @property
    def fine(self) -> bool:
        return self.on_target >= REACHED and not self.pasted >= PASTED


class _Far(NamedTuple):
    strength: float
    place: int


def tried(response: Response, target: str, pasted: Sequence[float] | None = None) -> Tried:
    """Return what a direction does where it raises its target, or, where that side has no realistic strength, where it lowers it.

    pasted: of each strength of the response. Nothing is moved where no strength is realistic.
    """
    low, high = valid_range(response.strengths, response.realistic)
    sides = [_Far(each, int(np.argmin(np.abs(response.strengths - each)))) for each in (high, low) if each]
    if not sides or target not in response.effect:
        return Tried(0.0, 0.0, 0.0, np.nan)

    def moved(far: _Far) -> float:
        return float(response.effect.iloc[far.place][target]) * np.sign(far.strength)

    best = max(sides, key=lambda far: np.nan_to_num(moved(far), nan=-np.inf))
    off = response.effect.iloc[best.place].drop(target).abs().max()
    same = np.nan if pasted is None else float(pasted[best.place])
    return Tried(best.strength, float(np.nan_to_num(moved(best))), float(np.nan_to_num(off)), same)


def ranked(candidates: Sequence[Tried]) -> list[int]:
    """Return the places of candidates, which are in the order of a pass, best first."""
    left = list(range(len(candidates)))
    order: list[int] = []
    while left:
        best = _best([candidates[i] for i in left])
        order.append(left.pop(best))
    return order


def _best(candidates: Sequence[Tried]) -> int:
    fine = [i for i, each in enumerate(candidates) if each.fine]
    if not fine:
        return int(np.argmax([each.on_target for each in candidates]))
    least = min(candidates[i].share for i in fine)
    return next(i for i in fine if candidates[i].share <= least + ALIKE)
