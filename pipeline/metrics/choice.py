"""At which capture point a direction is best: by what it does on samples that are for choosing alone.

The rule: of the points, and of a direction's strengths there at which images still are the model's own, those where the target
moves by `REACHED`, and less than `PASTED` of what changes is the same in all images; of them that with the smallest largest effect
on anything else, as a share of the effect on the target; of points that are as good but for `ALIKE`, the first in the order of a
pass. Where there is no such point, that at which the target moves most.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.metrics.calibration import valid_range
from pipeline.metrics.response import Response
from pipeline.metrics.template import PASTED

REACHED = 0.75  # standard deviations
ALIKE = 0.1  # difference of two shares


@dataclass(frozen=True)
class Tried:
    """What a direction does at the best of the strengths at which images are the model's own."""

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


def tried(response: Response, target: str, pasted: Sequence[float] | None = None) -> Tried:
    """Return what a direction does at its best strength, by the rule that directions are compared by.

    pasted: of each strength of the response. A side on which the target falls counts as one on which it rises: the direction can be
    turned round. Nothing is moved where no strength is realistic.
    """
    low, high = valid_range(response.strengths, response.realistic)
    if target not in response.effect or low == high:
        return Tried(0.0, 0.0, 0.0, np.nan)
    within = np.flatnonzero((response.strengths >= low) & (response.strengths <= high))
    found = [_at(response, target, place, pasted) for place in within[np.argsort(-np.abs(response.strengths[within]))]]
    return found[_best(found, alike=0.0)]


def _at(response: Response, target: str, place: int, pasted: Sequence[float] | None) -> Tried:
    strength, effect = float(response.strengths[place]), response.effect.iloc[place]
    on, off = float(effect[target]) * np.sign(strength), float(effect.drop(target).abs().max())
    same = np.nan if pasted is None else float(pasted[place])
    return Tried(strength, float(np.nan_to_num(on)), float(np.nan_to_num(off)), same)


def ranked(candidates: Sequence[Tried]) -> list[int]:
    """Return the places of candidates, which are in the order of a pass, best first."""
    left = list(range(len(candidates)))
    order: list[int] = []
    while left:
        best = _best([candidates[i] for i in left])
        order.append(left.pop(best))
    return order


def _best(candidates: Sequence[Tried], alike: float = ALIKE) -> int:
    fine = [i for i, each in enumerate(candidates) if each.fine]
    if not fine:
        return int(np.argmax([each.on_target for each in candidates]))
    least = min(candidates[i].share for i in fine)
    return next(i for i in fine if candidates[i].share <= least + alike)
