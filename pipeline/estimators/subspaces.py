"""What many small subspaces have in common: the distinct directions in them, and their mean subspace.

A Jacobian gives a few directions for each sample and each step, and most of them are found again and again.

Shapes: N directions of length 1, D = C*H*W.
"""

from typing import NamedTuple

import numpy as np

from pipeline.signs import signed

ROUNDING = 1e-9  # share below which no subspace has anything of a direction


class Cluster(NamedTuple):
    """Directions that are nearly one."""

    representative: int  # of the directions, the one with the most others near it
    members: np.ndarray  # indices, the representative among them


def clusters(directions: np.ndarray, similar: float, apart: np.ndarray | None = None) -> list[Cluster]:
    """Directions (N, D) gathered by |cosine| >= `similar`, the largest cluster first.

    Butina's clustering (1999): the direction with the most others near it takes them, then the next of what is left. Directions
    with different numbers in `apart` (N,) are never gathered. Ties go to the first in the order given.
    """
    near = np.abs(directions @ directions.T) >= similar
    if apart is not None:
        near &= apart[:, None] == apart
    np.fill_diagonal(near, True)
    left = np.ones(len(directions), dtype=bool)
    found = []
    while left.any():
        counts = (near & left).sum(axis=1) * left
        representative = int(counts.argmax())
        members = np.flatnonzero(near[representative] & left)
        found.append(Cluster(representative, members))
        left[members] = False
    return found


def mean_subspace(subspaces: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The directions that lie in the most of the subspaces (n, m, D), each given by an orthonormal basis.

    Eigenvectors of the mean of the projectors, which is the mean in the chordal metric of the Grassmannian (Conway, Hardin & Sloane
    1996). Returns shares (k,) and directions (k, D), orthonormal, the largest entry of each positive: a share is the mean squared
    cosine of the angle between the direction and a subspace, 1 where all of them contain it. Raises ValueError for more directions
    than all subspaces together have.
    """
    rows = subspaces.reshape(-1, subspaces.shape[-1]).astype(np.float64)
    shares, weights = np.linalg.eigh(rows @ rows.T / len(subspaces))
    shares, weights = shares[::-1][:k], weights[:, ::-1][:, :k]
    if not len(shares) == k or not shares[-1] > ROUNDING:
        raise ValueError(f"{k} directions of subspaces that have {int((shares > ROUNDING).sum())} together.")
    directions = weights.T @ rows
    return shares, signed(directions / np.linalg.norm(directions, axis=1, keepdims=True))
