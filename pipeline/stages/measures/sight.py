"""Sight: what a few images show of an edit, where its strength is looked for and not yet measured."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.annotators.base import Annotator, presence_of
from pipeline.annotators.border import scorer
from pipeline.metrics.preservation import Manifold, Pairs, clipped, precision, presence
from pipeline.metrics.realism import losses
from pipeline.metrics.strengths import CHANGED, WANTED, Outcome, change

Side = tuple[str, int]  # a direction, and the sign of its strengths
Scores = Callable[[np.ndarray], pd.DataFrame]  # images (B, H, W, 3) -> a row an image, a column an attribute


@dataclass(frozen=True)
class Plugs:
    """What says how far images have moved, and whether they still are the model's own; None is not known."""

    score: Scores | None
    look: Scores | None  # of one column: how likely there is anything to score
    embed: Callable[[np.ndarray], np.ndarray] | None


def seeing(annotator: Annotator | None, presence_alone: bool = False) -> Scores | None:
    """Return what an annotator says, by attribute: without its presence, or that alone."""
    if annotator is None:
        return None
    score, there = scorer(annotator), presence_of(annotator)
    wanted = [name for name in annotator.attributes if (name == there) is presence_alone]
    return lambda images: pd.DataFrame(score(images), columns=list(annotator.attributes))[wanted]


@dataclass(frozen=True)
class Sight:
    """Looks at edited samples beside the same samples unedited (n, H, W, 3)."""

    before: np.ndarray
    plugs: Plugs
    std: pd.Series | None  # of each attribute, where it varies
    manifold: Manifold | None

    def outcomes(self, edits: Mapping[Side, np.ndarray], attributes: Mapping[str, str | None]) -> dict[Side, Outcome]:
        """Return what each edit (n, H, W, 3) shows. attributes: of directions; None of one that nobody labelled."""
        before = self.plugs.score(self.before) if self.plugs.score else None
        preserved = [self._unedited(), *(self._preserved("", images) for images in edits.values())]
        lost = losses(pd.DataFrame(preserved))[1:]
        return {
            side: Outcome(*self._moved(images, before, attributes[side[0]]), lost=float(each))
            for (side, images), each in zip(edits.items(), lost, strict=True)
        }

    def _moved(
        self, images: np.ndarray, before: pd.DataFrame | None, target: str | None
    ) -> tuple[float, tuple[float, ...]]:
        """How far the target has moved, or whatever has moved most, as a share of what is wanted, and each sample; without scores,
        the images, and nothing by sample.
        """
        if self.plugs.score is not None and self.std is not None:
            moved = (self.plugs.score(images) - before) / self.std
            effects = moved.mean().dropna()
            if len(effects):
                most = target if target in effects else effects.abs().idxmax()
                each = np.sign(effects[most]) * moved[most] / WANTED
                return abs(float(effects[most])) / WANTED, () if each.isna().any() else tuple(each)
        return change(self.before, images) / CHANGED, ()

    def _unedited(self) -> dict[str, Any]:
        """What edits are compared with: of precision, what many samples have, since a few do not tell."""
        own = self._preserved("unedited", self.before)
        return own if self.manifold is None else {**own, "precision": self.manifold.precision_of_another()}

    def _preserved(self, direction: str, images: np.ndarray) -> dict[str, Any]:
        """What of schemas.preservation says whether images still are the model's own."""
        features = self.plugs.embed(images) if self.plugs.embed else None
        shown = self.plugs.look(images).iloc[:, 0].to_numpy() if self.plugs.look else None
        both = None if features is None else (features, features)  # of those of the unedited images nothing is asked
        pairs = Pairs(self.before, images, None, both, self.manifold, shown)
        measured = {each.__name__: each(pairs) for each in (clipped, precision, presence)}
        means = {name: np.nan if values is None else float(np.mean(values)) for name, values in measured.items()}
        return {"direction": direction, "n": len(images), **means}
