"""Learning curve: how many labelled samples a difference of means (Eq. 11 of Haas et al. 2024) needs; their Fig. 8a.

Everything goes through inner products, so a direction of any size costs as much as its samples' Gram matrix.
"""

from collections.abc import Sequence

import numpy as np


def split_cosines(gram: np.ndarray, sign: np.ndarray, sizes: Sequence[int], pairs: int) -> np.ndarray:
    """Cosines of the directions that two disjoint draws of n positives and n negatives give: (len(sizes), pairs).

    gram: (m, m) inner products of the samples; sign: (m,) +1 for positives, -1 for negatives. A size may be at most half of either.
    """
    sides = [np.flatnonzero(sign > 0), np.flatnonzero(sign < 0)]
    most = min(map(len, sides)) // 2
    if not sizes or min(sizes) < 1 or max(sizes) > most:
        raise ValueError(f"Draws of {list(sizes)}: two disjoint ones can have 1 to {most} of either side.")
    streams = np.random.default_rng(0)
    cosines = np.empty((len(sizes), pairs))
    for pair in range(pairs):
        orders = [streams.permutation(side) for side in sides]
        for i, n in enumerate(sizes):
            a, b = (_weights(len(sign), orders, n, first) for first in (0, n))
            cosines[i, pair] = a @ gram @ b / np.sqrt((a @ gram @ a) * (b @ gram @ b))
    return cosines


def _weights(m: int, orders: list[np.ndarray], n: int, first: int) -> np.ndarray:
    """Return the weights (m,) of the samples in a difference of means."""
    weights = np.zeros(m)
    weights[orders[0][first : first + n]] = 1 / n
    weights[orders[1][first : first + n]] = -1 / n
    return weights


def to_truth(cosine: np.ndarray) -> np.ndarray:
    """Return the cosine of an estimate with the truth, from the cosine of two estimates.

    Estimates v + e_1 and v + e_2 with independent errors have |v|^2 / (|v|^2 + |e|^2), and either with v the root of that.
    """
    return np.sqrt(np.clip(cosine, 0, 1))


def doubled(most: int) -> list[int]:
    """Return 2, 4, 8, ... up to `most`, and `most`."""
    sizes = [2**i for i in range(1, most.bit_length()) if 2**i <= most]
    return sizes if not sizes or sizes[-1] == most else [*sizes, most]
