"""What offsets of h do to images: along principal components, and in random directions (Fig. 4)."""

from collections.abc import Iterator

import numpy as np
import torch

from benchmarks._claims.bench import Bench, Claim
from benchmarks._claims.statistics import of_mean
from pipeline.hspace.edits import Add
from pipeline.metrics.preservation import Manifold, Pairs, ms_ssim
from pipeline.stages.finders.principal_components import PrincipalComponents
from pipeline.stages.finders.random_directions import RandomDirections
from pipeline.stages.labels.embed import Embed

OFFSETS = (1, 2, 4, 8, 16, 32, 64)  # strengths of random directions, in standard deviations of h
DIRECTIONS = 4  # random ones
TIMES = 3  # what components must do, over what random directions do
SMALL = 2  # the strength up to which an offset must be harmless


def components(bench: Bench) -> Iterator[Claim]:
    found = PrincipalComponents(bench.sample, 10)
    random = RandomDirections(bench.sample, (found,), 10, norms="each")
    evaluation = bench.measured([found, random], (-2.0, 2.0), bench.size.few)
    table = bench.made(evaluation).table(evaluation, "effects.parquet").to_pandas()
    largest = table.assign(size=table["effect"].abs()).groupby(["direction", "control"])["size"].max()
    ours, controls = largest.xs(False, level="control"), largest.xs(True, level="control")
    yield Claim(
        "Principal components beat random directions of the same norm at every step (two standard deviations of h)",
        "semantic changes against none (Fig. 4)",
        f"largest effect, mean of 10: {of_mean(ours.to_numpy()).said()} against {of_mean(controls.to_numpy()).said()}; "
        f"{(ours > controls.max()).sum()} of 10 beyond the largest of any random one ({controls.max():.2f}; {bench.drawn})",
        beat(ours.to_numpy(), controls.to_numpy()),
        figures={
            "components": float(ours.mean()),
            "random": float(controls.mean()),
            "largest_random": float(controls.max()),
        },
    )


def beat(ours: np.ndarray, controls: np.ndarray) -> bool:
    """Whether components do TIMES as much as random directions on average, and every one more than any of these."""
    return bool(ours.mean() > TIMES * controls.mean() and (ours > controls.max()).all())


def offsets(bench: Bench) -> Iterator[Claim]:
    """Random offsets of the norm of a component at growing strength, by what becomes of the images."""
    embed = Embed(bench.sample, bench.judging)  # type: ignore[arg-type]
    manifold = Manifold.of(embed.reference(bench.made(embed), 512))
    features = bench.judging.embedder()  # type: ignore[attr-defined]
    directions = random_offsets(bench)
    similar, precision = {}, {}
    for gamma in OFFSETS:
        edited = [bench.images([Add(v, gamma)]) for v in directions]
        similar[gamma] = np.array([ms_ssim(Pairs(bench.unedited, images)) for images in edited])
        precision[gamma] = np.array([manifold.contains(features(images)) for images in edited], float)
    unedited = float(manifold.contains(features(bench.unedited)).mean())
    by_direction = [{gamma: each.mean(axis=1) for gamma, each in found.items()} for found in (similar, precision)]
    left = [
        halved({gamma: float(each[i]) for gamma, each in by_direction[1].items()}, unedited) for i in range(DIRECTIONS)
    ]
    over = {gamma: [of_mean(found[gamma].mean(axis=0)) for found in (similar, precision)] for gamma in OFFSETS}
    yield Claim(
        "Random offsets change little where they are small and destroy the image where they are large",
        "shown at growing strength (Fig. 4)",
        f"{DIRECTIONS} random directions by strength (standard deviations of h), MS-SSIM and precision: "
        + "; ".join(f"{gamma}: {one.said()}, {other.within(0, 1).said('.0%')}" for gamma, (one, other) in over.items())
        + f"; unedited {unedited:.0%}; less than half of that from {', '.join(str(gamma or 'none') for gamma in left)} "
        f"({bench.drawn})",
        harmless_then_destroyed(by_direction[0], by_direction[1], unedited),
        figures={
            f"offset_{gamma}_{name}": one.value
            for gamma, ends in over.items()
            for name, one in zip(("ms_ssim", "precision"), ends, strict=True)
        },
    )


def random_offsets(bench: Bench) -> torch.Tensor:
    """Random directions (DIRECTIONS, T, C, H, W); at every step of the mean norm of ten components: a standard deviation."""
    found = PrincipalComponents(bench.sample, 10)
    vectors = bench.made(found).vectors(found)
    norms = np.linalg.norm(np.stack(list(vectors.values())).reshape(10, bench.size.steps, -1), axis=2).mean(axis=0)
    stream = torch.Generator().manual_seed(0)
    v = torch.randn((DIRECTIONS, bench.size.steps, *bench.sample.h_shape), generator=stream)
    lengths = v.flatten(2).norm(dim=2).view(DIRECTIONS, -1, 1, 1, 1)
    return v / lengths * torch.from_numpy(norms).float().view(1, -1, 1, 1, 1)


def harmless_then_destroyed(
    similar: dict[int, np.ndarray], precision: dict[int, np.ndarray], unedited: float, small: int = SMALL
) -> bool:
    """Whether no direction changes anything up to a small strength, and at some strength every one has destroyed the images.

    By strength, for each direction: MS-SSIM to the unedited images, and the precision, `unedited` that of these.
    """
    harmless = all(
        (similar[gamma] > 0.95).all() and (np.abs(precision[gamma] - unedited) <= 0.1).all()
        for gamma in similar
        if gamma <= small
    )
    destroyed = any((similar[gamma] < 0.5).all() and (precision[gamma] < unedited / 2).all() for gamma in similar)
    return harmless and destroyed


def halved(precision: dict[int, float], unedited: float) -> int | None:
    """The least strength at which the precision is less than half that of the unedited images."""
    return next((gamma for gamma in sorted(precision) if precision[gamma] < unedited / 2), None)
