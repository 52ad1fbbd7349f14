"""h holds what a sample shows, and directions add there (Fig. 2 and 8b)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import pandas as pd

from benchmarks._claims.bench import BATCH, Bench, Claim
from benchmarks._claims.statistics import Interval, bootstrapped
from pipeline.domains import portraits
from pipeline.hspace.edits import Add, Swap
from pipeline.models.pretrained import LoadedModel
from pipeline.stages.sources.sample_ids import HELD_OUT

SWAPPED = 0.5  # share of the way to the other sample that the whole interval of every attribute lies above
KEPT = 1 / 3  # and that the whole interval of the background lies within
ADDED = 0.25  # share of the sum that two directions may be off it, with the whole interval
PAIRS = (("smile", "yaw"), ("glasses", "yaw"), ("smile", "glasses"))


def swapping(bench: Bench) -> Iterator[Claim]:
    shares, behind = shares_of_swaps(bench)
    holds = content_alone(shares, behind)
    yield Claim(
        "Swapping h between two samples swaps what they show, and not the background",
        "shown (Fig. 2a)",
        "share of the way to the other sample: "
        + ", ".join(f"{name} {value.said()}" for name, value in shares.items())
        + f"; background colour {behind.said()} ({2 * bench.size.pairs} held-out samples)",
        holds,
        "" if holds else with_open_skips(bench),
        {f"swap_{name}": one.value for name, one in shares.items()} | {"swap_background": behind.value},
    )


def shares_of_swaps(bench: Bench) -> tuple[dict[str, Interval], Interval]:
    """How far swapped samples go toward each other, in every attribute and in the colour of the background."""
    own, now = swapped(bench, HELD_OUT[: 2 * bench.size.pairs])
    other = own[np.arange(len(own)) ^ 1]
    a, b, c = (bench.scores(images) for images in (own, other, now))
    shares = {name: share(a[name], b[name], c[name]) for name in bench.attributes}
    return shares, share(*(background(images) for images in (own, other, now)))


def with_open_skips(bench: Bench) -> str:
    """What the same swap does in the second model of portraits, which differs in its skip connections alone; nothing of others."""
    if bench.model != str(portraits.MODEL):
        return ""
    shares, behind = shares_of_swaps(replace(bench, model=str(portraits.OPEN_SKIPS)))
    return (
        "Tested: whether h carries the background because the skip connections of this model are closed, so that nothing goes past "
        f"it. In the second model, where they are open, the same swap takes the background {behind.said()} of the way, and "
        f"{', '.join(f'{name} {one.said()}' for name, one in shares.items())}."
    )


def content_alone(shares: dict[str, Interval], behind: Interval) -> bool:
    """Whether all attributes go most of the way, and the background does not go a third of it, either way."""
    return all(one.low > SWAPPED for one in shares.values()) and behind.low > -KEPT and behind.high < KEPT


def swapped(bench: Bench, ids: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Samples as they are, and with the h of their neighbour: 0 with that of 1, 1 of 0, 2 of 3, and so on."""

    def draw(loaded: LoadedModel, some: list[int]) -> np.ndarray:
        n = len(some)
        swap = Swap([*range(n), *(row ^ 1 for row in range(n))])
        process, noise = bench.sample.reverse_process, bench.sample.noise(loaded, [*some, *some])
        images = loaded.to_images(process.run(bench.sample.denoiser(loaded, [*some, *some]), noise, [swap]))
        return np.stack([images[:n], images[n:]], axis=1)

    both = bench.in_batches(draw, ids, BATCH // 2)
    return both[:, 0], both[:, 1]


Numbers: TypeAlias = np.ndarray | pd.Series


def share(own: Numbers, other: Numbers, now: Numbers) -> Interval:
    """How far `now` went from `own` toward `other`: the slope of the changes. Rows 2 i and 2 i + 1 are a pair."""
    change: np.ndarray = np.asarray(now) - np.asarray(own)
    way: np.ndarray = np.asarray(other) - np.asarray(own)
    along, length = (np.reshape(each * way, (len(way) // 2, -1)).sum(axis=1) for each in (change, way))
    return bootstrapped(lambda rows: along[rows].sum() / length[rows].sum(), len(along))


def background(images: np.ndarray) -> np.ndarray:
    """Mean colour of the two upper corners, where no face is: (B, 3)."""
    corners = np.concatenate([images[:, :6, :6], images[:, :6, -6:]], axis=2)
    return corners.reshape(len(images), -1, 3).mean(axis=1)


def adding(bench: Bench) -> Iterator[Claim]:
    """Two directions at once, over all attributes of the judge."""
    whole, half = (off_the_sums(bench, share) for share in (1.0, 0.5))
    yield Claim(
        "Directions add: two at once do what they do alone, summed over all attributes",
        "shown (Fig. 2b, 8b)",
        f"|together - sum| / |sum| of the effects on {len(bench.std)} attributes, each of about one standard deviation: "
        f"{said(whole)} ({len(bench.away)} held-out samples, strengths chosen on {bench.size.selected} others)",
        adds(whole),
        "Tested: whether effects stop growing where an attribute is there already, so that the sum is less than its parts. At half "
        f"the strengths: {said(half)}.",
        {f"adding {pair}": one.value for pair, one in whole.items()}
        | {f"adding {pair} half": one.value for pair, one in half.items()},
    )


def adds(errors: dict[str, Interval]) -> bool:
    return all(error.high <= ADDED for error in errors.values())


def said(errors: dict[str, Interval]) -> str:
    return ", ".join(f"{pair} {error.said()}" for pair, error in errors.items())


def off_the_sums(bench: Bench, share: float) -> dict[str, Interval]:
    """How far two directions together are from the sum of both, at a share of the strengths of one standard deviation each."""
    names = dict.fromkeys(name for pair in PAIRS for name in pair)
    edits = {name: Add(bench.directions[name], share * bench.strength(name)) for name in names}

    def changes(*of: str) -> np.ndarray:
        return bench.changes(bench.images([edits[name] for name in of], bench.away), bench.away).to_numpy()

    alone = {name: changes(name) for name in names}
    return {" + ".join(pair): apart(changes(*pair), [alone[name] for name in pair]) for pair in PAIRS}


def apart(together: np.ndarray, alone: Sequence[np.ndarray]) -> Interval:
    """How far effects of several directions at once are from the sum of those of each alone, as a share of the sum.

    Changes (n, A) of the same samples.
    """
    added = np.sum(alone, axis=0)

    def error(rows: np.ndarray) -> float:
        total = added[rows].mean(axis=0)
        return float(np.linalg.norm(together[rows].mean(axis=0) - total) / np.linalg.norm(total))

    return bootstrapped(error, len(added))
