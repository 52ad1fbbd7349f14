"""Disentangle: project out of each supervised direction what it shares with the others of its finder, Eq. 12."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import UserError
from pipeline.projection import project_out
from pipeline.stage import Stage
from pipeline.stages.finder import Row, names_of, read_directions, write_directions
from pipeline.store import Store

LEAST_NORM_KEPT = 0.02  # below it, what is left of a direction is rounding and noise


@dataclass(frozen=True)
class Disentangle(Stage):
    """Each direction v_0 with the other attributes' directions projected away, over the whole trajectory at once.

    What is left is scaled back to the norm of v_0, so that strengths compare; `norm_kept` says how much was left.
    """

    finder: Stage  # a supervised finder

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{name}/disentangled" for name in names_of(self.finder))

    def check(self) -> None:
        if len(self.names) < 2:
            raise UserError("Disentangling needs at least two attributes: there is nothing to project away from one.")

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        rows, vectors = read_directions(store, (self.finder,))
        projected = {f"{row['name']}/disentangled": _disentangle(row["name"], vectors) for row in rows}
        new_rows = [_row(row, list(vectors), projected[f"{row['name']}/disentangled"][1]) for row in rows]
        write_directions(out, self, {name: vector for name, (vector, _) in projected.items()}, new_rows)


def _disentangle(name: str, vectors: dict[str, np.ndarray]) -> tuple[np.ndarray, float]:
    """The projected vector, at the norm of v_0, and the share of that norm that the projection left."""
    v_0 = vectors[name]
    others = np.stack([vector for other, vector in vectors.items() if other != name])
    v = project_out(v_0, others)
    kept = float(np.linalg.norm(v) / np.linalg.norm(v_0.astype(np.float64)))
    if kept < LEAST_NORM_KEPT:
        raise UserError(
            f"{name}: only {kept:.1%} is left once the other {len(others)} directions are projected away.\n"
            "Two of the attributes are the same to this model: leave one of them out with --attributes."
        )
    return v / kept, kept


def _row(row: Row, names: list[str], kept: float) -> Row:
    own = row["name"]
    parents = [own, *(name for name in names if name != own)]
    unknown = dict.fromkeys(("split_half_cosine", "bootstrap_cosine_low", "bootstrap_cosine_high"))
    return {**row, **unknown, "name": f"{own}/disentangled", "parents": parents, "norm_kept": kept}
