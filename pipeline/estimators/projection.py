"""Disentangling by projection, Eq. 12 of Haas et al. 2024: v = (I - V (V^T V)^-1 V^T) v_0.

Shapes: T steps, k conditions (the directions to be projected away), D numbers of a trajectory or of a step.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

By = Literal["joint", "step"]

ROUNDING = 1e-20  # share of a squared norm that counts as nothing
DEPENDENT = 1e-14  # of the largest singular value of unit conditions: below it, they differ by rounding alone
BETTER = 1.05  # the factor by which what is projected away must raise the ratio of the effects
LEAST = 0.2  # the share of the norm that must be left for it


@dataclass(frozen=True)
class Projection:
    """What is left of a direction, and where the rest went."""

    v: np.ndarray  # v_0's shape, float64
    kept: float  # share of the norm of v_0 that is left
    kept_by_step: np.ndarray  # (T,), the same of each step
    condition: float  # condition number of the Gram matrix of the unit conditions, the worst step's: 1 is orthogonal
    removed_share: (
        np.ndarray
    )  # (k,), of the squared norm removed, by each condition; negative where correlated ones compensate


def project(v_0: np.ndarray, others: np.ndarray, by: By = "joint") -> Projection:
    """Remove from v_0 (T, ...) what it shares with k other directions (k, T, ...), all at once, so that their order is no matter.

    "joint" is Eq. 12 over the whole trajectory flattened; "step" the same at every step on its own, which leaves nothing of the
    others at any step, and less of v_0. The directions may correlate, differ by as little as 1e-12 of their length, or even repeat;
    zeros take nothing away. Raises ValueError for numbers that are not finite.
    """
    if not (np.isfinite(v_0).all() and np.isfinite(others).all()):
        raise ValueError(
            "A direction that is not finite can neither be projected away nor have anything removed from it."
        )
    T = len(v_0)
    flat = v_0.astype(np.float64).reshape(T, -1)
    conditions = others.astype(np.float64).reshape(len(others), *flat.shape)
    if by == "joint":
        pieces = [_project(flat.ravel(), conditions.reshape(len(others), flat.size))]
    else:
        pieces = [_project(flat[t], conditions[:, t]) for t in range(T)]
    v = np.concatenate([piece for piece, _, _ in pieces]).reshape(flat.shape)
    removed = np.sum([parts for _, parts, _ in pieces], axis=0)
    total = removed.sum()
    return Projection(
        v=v.reshape(v_0.shape),
        kept=float(_share(np.linalg.norm(v), np.linalg.norm(flat))),
        kept_by_step=_share(np.linalg.norm(v, axis=1), np.linalg.norm(flat, axis=1)),
        condition=max(condition for _, _, condition in pieces),
        removed_share=removed / total if total > ROUNDING * (flat**2).sum() else np.zeros(len(others)),
    )


def _project(v_0: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """One flat vector (D,): what is left, the squared norm that each of the others (k, D) took, the condition number.

    By an orthonormal basis of what the others span, from their singular value decomposition. The Gram matrix V^T V has the squares
    of V's singular values: of conditions that differ by less than 1e-8 of their length it knows no difference.
    """
    norms = np.linalg.norm(others, axis=1)
    there = norms > 0
    removed = np.zeros(len(others))
    if not there.any():
        return v_0, removed, 1.0
    V = others[there] / norms[there, None]  # (k, D), rows
    U, singular, basis = np.linalg.svd(V, full_matrices=False)
    rank = int((singular > DEPENDENT * singular[0]).sum())
    U, basis = U[:, :rank], basis[:rank]
    along = basis @ v_0
    v = v_0 - along @ basis
    removed[there] = (U @ (along / singular[:rank])) * (V @ v_0)
    condition = float(np.square(singular[0] / singular[-1])) if rank == len(V) else float("inf")
    return v - (basis @ v) @ basis, removed, condition  # what rounding left is removed, too


def _share(part: ArrayLike, whole: ArrayLike) -> np.ndarray:
    """part / whole; 1 where there was nothing."""
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    return np.divide(part, whole, out=np.ones_like(part), where=whole > 0)


# What to project away, by what is measured

Measure = Callable[
    [np.ndarray], dict[str, float]
]  # a direction -> its effect on each attribute, > 0 where strength raises it


@dataclass(frozen=True)
class Trial:
    """A set of attributes projected away, and what was measured of what they left, at the norm of v_0."""

    removed: tuple[str, ...]  # attributes
    kept: float
    on_target: float
    off_target: float  # largest absolute effect on anything else
    accepted: bool

    @property
    def ratio(self) -> float:
        if self.off_target > 0:
            return self.on_target / self.off_target
        return float("inf") if self.on_target > 0 else 0.0


def search(
    v_0: np.ndarray,
    target: str,
    others: dict[str, np.ndarray],
    measure: Measure,
    by: By = "joint",
) -> tuple[Projection, list[Trial]]:
    """Project away one attribute after the other, always the one moved most of those left, until the ratio on / off rises no more.

    others: directions by attribute; `measure` may leave out what it could not measure. One stays projected away if the ratio of the
    effect on target to the largest off target rises by the factor BETTER, and at least the share LEAST of v_0 is left. Returns
    the best projection, and all trials in order.
    """
    removed: tuple[str, ...] = ()
    best, effects = project(v_0, _stack(others, removed, v_0), by), measure(v_0)
    trials = [_trial(removed, 1.0, effects, target, True)]
    while left := [name for name in others if name not in removed and name != target]:
        removed = (*removed, max(left, key=lambda name: abs(effects.get(name, 0.0))))
        projection = project(v_0, _stack(others, removed, v_0), by)
        if projection.kept < LEAST:
            trials.append(Trial(removed, projection.kept, float("nan"), float("nan"), False))
            break
        effects = measure(projection.v / projection.kept)
        accepted = [trial for trial in trials if trial.accepted][-1]
        trial = _trial(removed, projection.kept, effects, target, False)
        trials.append(replace(trial, accepted=trial.on_target > 0 and trial.ratio >= BETTER * accepted.ratio))
        if not trials[-1].accepted:
            break
        best = projection
    return best, trials


def _stack(others: dict[str, np.ndarray], removed: tuple[str, ...], v_0: np.ndarray) -> np.ndarray:
    return np.stack([others[name] for name in removed]) if removed else np.empty((0, *v_0.shape))


def _trial(removed: tuple[str, ...], kept: float, effects: dict[str, float], target: str, accepted: bool) -> Trial:
    off = max((abs(effect) for name, effect in effects.items() if name != target), default=0.0)
    return Trial(removed, kept, effects.get(target, float("nan")), off, accepted)
