"""h holds what a sample shows, and directions add there (Fig. 2 and 8b)."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from benchmarks._claims.bench import BATCH, Bench, Claim
from pipeline.hspace.edits import Add, Swap
from pipeline.stages.sources.sample_ids import HELD_OUT


def swapping(bench: Bench) -> Iterator[Claim]:
    pairs = bench.size.pairs
    ids = HELD_OUT[: 2 * pairs]
    own, other, now = [], [], []
    for start in range(0, pairs, BATCH // 4):
        here = range(start, min(start + BATCH // 4, pairs))
        batch = [ids[2 * i + j] for i in here for j in (0, 1)]
        partners = [row ^ 1 for row in range(len(batch))]
        swap = Swap([*range(len(batch)), *partners])
        process, noise = bench.sample.reverse_process, bench.sample.noise(bench.loaded, [*batch, *batch])
        images = bench.loaded.to_images(process.run(bench.loaded.denoiser, noise, [swap]))
        own.append(images[: len(batch)])
        other.append(images[: len(batch)][partners])
        now.append(images[len(batch) :])
    mine, theirs, swapped = (np.concatenate(images) for images in (own, other, now))
    a, b, c = (bench.scores(images) for images in (mine, theirs, swapped))
    shares = {name: share(a[name], b[name], c[name]) for name in bench.attributes}
    behind = share(*(background(images) for images in (mine, theirs, swapped)))
    yield Claim(
        "Swapping h between two samples swaps what they show, and not the background",
        "shown (Fig. 2a)",
        "share of the way to the other sample: "
        + ", ".join(f"{name} {value:.2f}" for name, value in shares.items())
        + f"; background colour {behind:.2f} ({2 * pairs} held-out samples, seed {bench.sample.seed})",
        bool(min(shares.values()) > 0.5 and abs(behind) < 1 / 3),
    )


def share(own: np.ndarray | pd.Series, other: np.ndarray | pd.Series, now: np.ndarray | pd.Series) -> float:
    """How far `now` went from `own` toward `other`: the slope of the changes."""
    change, way = np.asarray(now) - np.asarray(own), np.asarray(other) - np.asarray(own)
    return float((change * way).sum() / (way**2).sum())


def background(images: np.ndarray) -> np.ndarray:
    """Mean colour of the two upper corners, where no face is: (B, 3)."""
    corners = np.concatenate([images[:, :6, :6], images[:, :6, -6:]], axis=2)
    return corners.reshape(len(images), -1, 3).mean(axis=1)


def adding(bench: Bench) -> Iterator[Claim]:
    """Two directions at once, over all attributes of the judge."""
    gamma, pairs = 0.7, (("smile", "yaw"), ("glasses", "yaw"), ("smile", "glasses"))
    alone = {
        name: bench.effects(bench.images([Add(bench.directions[name], gamma)])) for name in ("smile", "glasses", "yaw")
    }
    errors = {}
    for pair in pairs:
        together = bench.effects(bench.images([Add(bench.directions[name], gamma) for name in pair]))
        errors[" + ".join(pair)] = apart(together, [alone[name] for name in pair])
    yield Claim(
        "Directions add: two at once do what they do alone, summed over all attributes",
        "shown (Fig. 2b, 8b)",
        f"|together - sum| / |sum| of the effects on {len(bench.std)} attributes at strength {gamma}: "
        + ", ".join(f"{pair} {error:.2f}" for pair, error in errors.items())
        + f" ({bench.drawn})",
        max(errors.values()) <= 0.25,
    )


def apart(together: pd.Series, alone: Sequence[pd.Series]) -> float:
    """How far effects of several directions at once are from the sum of those of each alone, as a share of the sum."""
    added = sum(each.to_numpy() for each in alone)
    return float(np.linalg.norm(together.to_numpy() - added) / np.linalg.norm(added))
