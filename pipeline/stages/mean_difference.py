"""MeanDifference: the paper's supervised directions, Eq. 11."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import UserError
from pipeline.linear import Selection, mean_difference, select
from pipeline.stage import Stage
from pipeline.stages.activations import aligned, read_step, read_steps
from pipeline.stages.annotate import Annotate
from pipeline.stages.finder import Row, write_directions
from pipeline.store import Store


@dataclass(frozen=True)
class MeanDifference(Stage):
    """For each attribute, mean h of the n highest scores less that of the n lowest, at every step."""

    annotate: Annotate
    annotator: str  # whose scores
    attributes: tuple[str, ...]
    n: int  # positives, and as many negatives

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{attribute}/mean-difference" for attribute in self.attributes)

    def check(self) -> None:
        self.annotate.check_attributes(self.annotator, self.attributes)
        check_selection(self.n, self.annotate.sample.n)

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        sample = self.annotate.sample
        ids, _ = read_step(store, sample, 0)
        scores = aligned(self.annotate.scores(store, self.annotator), ids)
        selections = {attribute: select_or_explain(scores, attribute, self.n) for attribute in self.attributes}

        steps = [
            [mean_difference(h, selection) for selection in selections.values()] for _, h in read_steps(store, sample)
        ]
        vectors = np.stack(steps, axis=1).reshape(len(self.attributes), sample.steps, *sample.model.h_shape())
        rows = [
            supervised_row(name, "mean-difference", attribute, self.annotator, len(ids), selection)
            for name, (attribute, selection) in zip(self.names, selections.items(), strict=True)
        ]
        write_directions(out, self, dict(zip(self.names, vectors, strict=True)), rows)


def check_selection(n: int, samples: int) -> None:
    if n < 1:
        raise UserError(f"n = {n} positives: expected at least 1.")
    if 2 * n > samples:
        raise UserError(
            f"{n} positives and {n} negatives need {2 * n} samples, and there will be {samples}.\nLower --top or raise --samples."
        )


def select_or_explain(scores, attribute: str, n: int) -> Selection:
    """`select`, with an error that names the attribute where too few samples have a score."""
    try:
        return select(scores[attribute].to_numpy(dtype=float), n)
    except ValueError as error:
        raise UserError(f"{attribute}: {error}\nLower --top, raise --samples, or choose another annotator.") from error


def supervised_row(name: str, method: str, attribute: str, annotator: str, n: int, selection: Selection) -> Row:
    return {
        "name": name,
        "method": method,
        "attribute": attribute,
        "annotator": annotator,
        "n": n,
        "n_positive": len(selection.positives),
        "n_negative": len(selection.negatives),
        "threshold_positive": selection.threshold_positive,
        "threshold_negative": selection.threshold_negative,
    }
