"""Learning curve: how many labelled samples the direction of an attribute needs, in h and in the noise that samples begin with."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.batches import batches
from pipeline.engine.stage import Need, Resources, Stage, whole
from pipeline.engine.store import Part, Store
from pipeline.errors import UserError
from pipeline.estimators.dual import WIDE
from pipeline.estimators.learning_curve import doubled, split_cosines, to_truth
from pipeline.estimators.selection import Selection
from pipeline.formats.parquet import write_table
from pipeline.models.pretrained import LoadedModel
from pipeline.stages import reading
from pipeline.stages.finders.mean_difference import MeanDifference
from pipeline.stages.finders.supervised import kept
from pipeline.stages.sources.activations import read_steps
from schemas.columns import table_of
from schemas.learning_curve import LEARNING_CURVE

FEWEST = 4  # positives that two draws of two can be taken from


@dataclass(frozen=True)
class LearningCurve(Stage):
    """`learning_curve.parquet`: for each attribute of a difference of means and each n, cosines of directions from disjoint draws.

    The draws are out of the positives and negatives that the direction itself is made of.
    """

    difference: MeanDifference
    pairs: int = 32  # of draws

    def needs(self, part: int) -> Iterator[Need]:
        return whole(*self.difference.read)

    @property
    def resources(self) -> Resources:
        n = min(self.difference.source.n, 2 * self.difference.n * len(self.difference.attributes))
        return Resources(gpus=1, memory=self.difference.step_resources().memory + n * (4 * WIDE + 4 * 8 * n))

    def check(self) -> None:
        self.difference.check()
        if self.difference.n < FEWEST or self.pairs < 1:
            raise UserError(
                f"{self.pairs} pairs of draws out of {self.difference.n} positives: expected one or more, of {FEWEST} or more."
            )

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        rows = list(zip(*(read[column].to_pylist() for column in ("attribute", "space", "n")), strict=True))
        spaces = dict.fromkeys((attribute, space) for attribute, space, _ in rows)
        wanted = reading.columns(product(self.difference.attributes, ("h", "x_T")), "attribute", "space")
        distinct = reading.columns(spaces, "attribute", "space")
        twice = "" if len(set(rows)) == len(rows) else "some of its rows are there twice"
        return twice or reading.unlike({name: np.array(each) for name, each in distinct.items()}, **wanted)

    def setup(self) -> LoadedModel:
        return self.difference.source.load()

    def process(self, part: int, store: Store, loaded: LoadedModel, out: Path) -> None:
        labelled = self.difference.label(store)
        used = np.unique(np.concatenate([np.concatenate(_sides(each)) for each in labelled.selections]))
        steps = (kept(h, labelled.rows[used]) for _, h in read_steps(store, self.difference.source))
        grams = {"h": _gram(steps), "x_T": _gram([self._x_T(loaded, labelled.ids[used])])}
        rows = [
            {"attribute": attribute, "space": space, **row}
            for attribute, selection in zip(self.difference.attributes, labelled.selections, strict=True)
            for space, gram in grams.items()
            for row in self._curve(gram, used, selection)
        ]
        write_table(out / "learning_curve.parquet", table_of(rows, LEARNING_CURVE))

    def _x_T(self, loaded: LoadedModel, ids: np.ndarray) -> np.ndarray:
        """The noise (m, D) that these samples begin with, drawn again."""
        source = self.difference.source
        drawn = (source.noise(loaded, ids[some].tolist()).x_T() for some in batches(len(ids), source.batch))
        return np.concatenate([x_T.flatten(1).cpu().numpy() for x_T in drawn])

    def _curve(self, gram: np.ndarray, used: np.ndarray, selection: Selection) -> Iterator[dict]:
        """One attribute in one space, by n."""
        positive, negative = _sides(selection)
        rows = np.searchsorted(used, np.concatenate([positive, negative]))
        sign = np.repeat([1, -1], [len(positive), len(negative)])
        sizes = doubled(min(len(positive), len(negative)) // 2)
        for n, cosines in zip(sizes, split_cosines(gram[np.ix_(rows, rows)], sign, sizes, self.pairs), strict=True):
            low, high = np.percentile(cosines, (5, 95))
            yield {
                "n": n,
                "cosine": cosines.mean(),
                "low": low,
                "high": high,
                "to_truth": float(to_truth(cosines.mean())),
                "pairs": self.pairs,
            }


def _sides(selection: Selection) -> tuple[np.ndarray, np.ndarray]:
    return selection.positives, selection.negatives


def _gram(pieces: Iterator[np.ndarray] | list[np.ndarray]) -> np.ndarray:
    """Inner products (m, m) of samples given in pieces (m, D)."""
    total: np.ndarray | float = 0.0
    for piece in pieces:
        for at in batches(piece.shape[1], WIDE):
            x = piece[:, at].astype(np.float32)
            x -= x.mean(axis=0)  # differences of means do not see it
            total = total + (x @ x.T).astype(np.float64)
    return np.asarray(total)
