"""Asyrp, the edit in P_t alone, beside a plain edit at a larger strength (SM B)."""

from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks._claims.bench import Bench, Claim
from pipeline.hspace.edits import Add

GRID = (0.4, 0.6, 0.8, 1.0, 1.2)  # strengths of plain edits


def asyrp(bench: Bench) -> Iterator[Claim]:
    amplified, near, effects, distances = [], [], [], []
    for name in ("smile", "glasses", "yaw"):
        v = bench.directions[name]
        plain = [bench.effect(bench.images([Add(v, gamma)]), name) for gamma in GRID]
        images = bench.images([Add(v, GRID[0])], asyrp=True)
        effect = bench.effect(images, name)
        amplified.append(plain[0] > 0 and effect > 1.05 * plain[0])
        effects.append(f"{name} {plain[0]:.2f} to {effect:.2f}")
        try:
            gamma = matched(effect, plain)
        except ValueError as error:
            near.append(False)
            distances.append(f"{name} not matched, {error}")
            continue
        apart = distance(images, bench.images([Add(v, gamma)])) / distance(images, bench.unedited)
        near.append(apart < 1 / 3)
        distances.append(f"{name} {apart:.2f} at strength {gamma:.2f}")
    yield Claim(
        "Asyrp (the edit in P_t alone, two passes a step) amplifies an edit",
        "amplifies (SM B)",
        f"effect at strength {GRID[0]}, plain to Asyrp: {', '.join(effects)} ({bench.drawn})",
        all(amplified),
    )
    yield Claim(
        "A rescaled plain edit gives much the same image as Asyrp, at one pass a step",
        "much the same (SM B)",
        "distance of the images at the same effect over that of Asyrp's to the unedited ones: "
        + f"{', '.join(distances)} ({bench.drawn})",
        all(near),
    )


def matched(effect: float, effects: Sequence[float], grid: Sequence[float] = GRID) -> float:
    """The strength at which a plain edit has this effect: between 0 and those of the grid, as far as effects rise with strength.

    ValueError where there is none to be told.
    """
    at, known = [0.0, *grid], [0.0, *effects]
    rising = 1 + int(np.argmin(np.append(np.diff(known) > 0, False)))
    if not 0 < effect <= known[rising - 1]:
        said = ", ".join(f"{each:.2f}" for each in effects)
        raise ValueError(f"as {effect:.2f} is out of where plain effects rise: {said}")
    return float(np.interp(effect, known[:rising], at[:rising]))


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Root mean squared, in levels of 0..255."""
    return float(np.sqrt(np.square(a.astype(np.float64) - b).mean()))
