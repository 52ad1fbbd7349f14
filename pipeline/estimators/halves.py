"""Halves of the samples, drawn at random some times over, each with as many of every attribute's positives and negatives.

Shapes: n samples, G groups of them, P pairs of halves.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.estimators.selection import uniform

PAIRS = 8
TRIES = 32  # draws of blocks, among which different ones are looked for


def resamples(
    sample_ids: Sequence[int] | NDArray[np.integer], groups: NDArray[np.bool_], pairs: int = PAIRS
) -> NDArray[np.float64]:
    """Weights of the samples, (n, 1 + 2 pairs): all of them, then the two halves of each pair.

    groups (n, G): which samples a half should have half of. Weights of a half add up to n, as those of all samples do, so that a
    regulariser weighs the same beside it. What is drawn for a sample follows from its id.
    """
    first = halves(sample_ids, groups, pairs)
    weights = [np.ones(len(first))]
    weights += [side * (len(side) / max(1, side.sum())) for each in first.T for side in (each, ~each)]
    return np.stack(weights, axis=1)


def halves(
    sample_ids: Sequence[int] | NDArray[np.integer], groups: NDArray[np.bool_], pairs: int = PAIRS
) -> NDArray[np.bool_]:
    """Which samples are in the first half of each pair: (n, pairs).

    The samples come in random order, and each goes to the half that has fewer of what it is one of: the groups (n, G), which count
    the more the fewer are in them, and the whole. Where both have as many, chance decides.
    """
    n = len(groups)
    member = np.column_stack([groups, np.ones(n, bool)])
    member = member / np.maximum(1, member.sum(axis=0)) ** 2  # of the sums below, a factor each
    order = uniform("half order", sample_ids, pairs).argsort(axis=0, kind="stable")
    coin = np.where(uniform("half", sample_ids, pairs) < 0.5, 1.0, -1.0)
    more = np.zeros((pairs, member.shape[1]))  # of each group in the first half, than in the second
    first, each = np.zeros((n, pairs), bool), np.arange(pairs)
    for samples in order:  # (pairs,): one of each pair of halves
        parts = member[samples]
        ahead = (more * parts).sum(axis=1)
        side = np.where(ahead == 0, coin[samples, each], -np.sign(ahead))
        more += side[:, None] * (parts > 0)
        first[samples, each] = side > 0
    return first


def halves_of_blocks(blocks: int, pairs: int = PAIRS) -> list[tuple[list[int], list[int]]]:
    """Two halves of so many blocks of samples, for each pair, no two pairs alike; as many as there are, if these are fewer.

    Of an odd number one block is left out, so that the halves are as large.
    """
    half, draw = blocks // 2, np.random.default_rng(0)
    found: dict[frozenset[tuple[int, ...]], tuple[list[int], list[int]]] = {}
    for _ in range(TRIES if half else 0):
        order = [int(block) for block in draw.permutation(blocks)[: 2 * half]]
        one, other = sorted(order[:half]), sorted(order[half:])
        found.setdefault(frozenset((tuple(one), tuple(other))), (one, other))
    return list(found.values())[:pairs]


def partners(resampled: int) -> Iterator[int]:
    """Yield for each of 1 + 2 P resamples which is its other half: for the first, which is all samples, itself."""
    yield 0
    for i in range(1, resampled):
        yield i + 1 if i % 2 else i - 1
