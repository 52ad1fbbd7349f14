"""JacobianDirections: from the subspaces of a few samples to directions for all of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from pipeline.engine.stage import Need, Resources, Stage, whole
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.estimators.subspaces import clusters, mean_subspace
from pipeline.stages import reading
from pipeline.stages.finders.finder import Row, write_directions
from pipeline.stages.finders.jacobian_subspaces import JacobianSubspaces
from pipeline.stages.sources.activations import read_parts, yardstick
from pipeline.stages.sources.source import Source

Kind = Literal["distinct", "mean"]
Applied = Literal["all", "own"]

METHODS = {
    ("distinct", "all"): "jacobian",
    ("distinct", "own"): "jacobian-own-step",
    ("mean", "all"): "mean-jacobian",
}
MOST = 20_000  # vectors of all samples and steps: their Gram matrix must fit into memory


@dataclass(frozen=True)
class JacobianDirections(Stage):
    """`n` directions out of the subspaces of some samples and steps, each one standard deviation of h long at every step.

    "distinct" gathers the singular vectors that are nearly one and keeps the representatives that stand for the most. They are
    applied at all steps, as the paper does, or at their own. "mean" takes the directions that lie in the most subspaces.
    """

    version: ClassVar[int] = 3

    subspaces: JacobianSubspaces
    scale: Source  # stored samples of the same model, whose h is measured along the directions
    n: int
    kind: Kind = "distinct"
    applied: Applied = "all"
    similar: float = 0.6  # |cosine| from which two directions count as one

    @property
    def method(self) -> str:
        return METHODS.get((self.kind, self.applied), "none")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.subspaces.region}-{i}/{self.method}{self.scale.suffix}" for i in range(self.n))

    def needs(self, part: int) -> Iterator[Need]:
        yield from whole(self.subspaces)
        yield self.scale, yardstick(self.scale)

    def part_bytes(self) -> int:
        return self.n * self.scale.steps * 4 * int(np.prod(self.scale.h_shape))

    @property
    def resources(self) -> Resources:
        vectors = len(self.subspaces.samples) * len(self.subspaces.at) * self.subspaces.k
        return Resources(memory=2 * 4 * vectors * int(np.prod(self.scale.h_shape)) + 8 * vectors**2)

    def check(self) -> None:
        if self.kind not in get_args(Kind) or self.applied not in get_args(Applied):
            raise UserError(
                f"{self.kind} directions at {self.applied} steps: expected distinct or mean, at all or own."
            )
        if (self.kind, self.applied) not in METHODS:
            raise UserError("The mean subspace is one of all samples and steps: it has no step of its own.")
        if not 1 <= self.n <= self.subspaces.k:
            raise UserError(f"{self.n} directions of subspaces of {self.subspaces.k}: expected 1 to that. Raise k.")
        if not 0 < self.similar <= 1:
            raise UserError(f"Directions are similar from |cosine| {self.similar}: expected above 0, up to 1.")
        if (count := len(self.subspaces.samples) * len(self.subspaces.at) * self.subspaces.k) > MOST:
            raise UserError(f"{count} vectors to compare: at most {MOST} fit. Take fewer samples, steps or vectors.")
        self.scale.check_stored()

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        candidates = _candidates(self.subspaces, store)
        found, rows = self._distinct(candidates) if self.kind == "distinct" else self._mean(candidates)
        scale = self._standard_deviations(store, found)  # (T, n)
        if self.applied == "own":
            own = np.array([row["step"] for row in rows])
            scale *= np.arange(len(scale))[:, None] == own
        trajectories = scale.T[..., None] * found[:, None]  # (n, T, D)
        shape = (self.scale.steps, *self.scale.h_shape)
        about = {"method": self.method, "capture": self.scale.at, "mask": self.subspaces.region, "n": candidates.n}
        write_directions(
            out,
            self,
            {name: v.reshape(shape).astype(np.float32) for name, v in zip(self.names, trajectories, strict=True)},
            [{"name": name, "component": i, **about, **rows[i]} for i, name in enumerate(self.names)],
        )

    def _distinct(self, candidates: "Candidates") -> tuple[np.ndarray, list[Row]]:
        """The representatives of the largest clusters."""
        apart = candidates.about["step"] if self.applied == "own" else None
        chosen = clusters(candidates.flat, self.similar, apart)[: self.n]
        if len(chosen) < self.n:
            raise UserError(
                f"The region {self.subspaces.region!r} has {len(chosen)} distinct directions, and {self.n} were asked for.\n"
                "Ask for fewer, look at more samples, or raise the cosine from which two are the same."
            )
        rows = [
            {**{name: values[each.representative].item() for name, values in candidates.about.items()},
             "found": len(each.members)}
            for each in chosen
        ]  # fmt: skip
        return candidates.flat[[each.representative for each in chosen]], rows

    def _mean(self, candidates: "Candidates") -> tuple[np.ndarray, list[Row]]:
        """The directions that lie in the most subspaces."""
        shares, directions = mean_subspace(candidates.vectors, self.n)
        return directions, [{"share": float(share)} for share in shares]

    def _standard_deviations(self, store: Store, directions: np.ndarray) -> np.ndarray:
        """Return the standard deviations of h along unit directions (n, D), at each step: (T, n)."""
        rows = []
        for step in range(self.scale.steps):
            along = [
                h.astype(np.float32) @ directions.T
                for _, h in read_parts(store, self.scale, step, yardstick(self.scale))
            ]
            rows.append(np.concatenate(along).astype(np.float64).std(axis=0))
        return np.stack(rows)


@dataclass(frozen=True)
class Candidates:
    """The subspaces of all samples that have the region, and where each vector comes from."""

    n: int  # samples
    vectors: np.ndarray  # (samples * steps, k, D)
    about: dict[str, np.ndarray] = field(default_factory=dict)  # of each vector, by column of schemas.directions

    @property
    def flat(self) -> np.ndarray:
        """All vectors as rows: (N, D)."""
        return self.vectors.reshape(-1, self.vectors.shape[-1])


def _candidates(subspaces: JacobianSubspaces, store: Store) -> Candidates:
    parts = [reading.arrays(store, subspaces, "subspaces.safetensors", part) for part in range(subspaces.n_parts)]
    stacked: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    there = ~np.isnan(stacked["singular_values"]).any(axis=(1, 2))
    if not there.any():
        raise UserError(
            f"None of the {len(there)} samples has the region {subspaces.region!r}: no landmarks were found.\n"
            "Leave the region out, choose other samples, or give it as a box or an image file."
        )
    values = stacked["singular_values"][there]  # (n, steps, k)
    about = {
        "sample_id": np.broadcast_to(stacked["sample_id"][there][:, None, None], values.shape),
        "step": np.broadcast_to(np.array(subspaces.at)[:, None], values.shape),
        "singular_value": values,
        "residual": stacked["residuals"][there],
    }
    vectors = stacked["vectors"][there].reshape(len(values) * len(subspaces.at), subspaces.k, -1)
    return Candidates(len(values), vectors, {name: column.ravel() for name, column in about.items()})
