"""Asyrp, the edit in P_t alone, beside a plain one at the same strength, and at that of the most similar images (SM B)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks._claims.bench import Bench, Claim
from benchmarks._claims.statistics import Interval, bootstrapped, least, of_mean
from pipeline.hspace.edits import Add
from pipeline.hspace.reverse_process import ReverseProcess
from pipeline.stages.sources.sample_ids import SELECTED

NAMES = ("smile", "glasses", "yaw")
ETAS = (1.0, 0.0)
GAIN = 0.0  # of an effect, in standard deviations, that the whole interval lies above
NEAR = 1 / 3  # of the change that Asyrp makes, that the whole interval of what is left lies below
MULTIPLES = (1.0, 1.5, 2.0, 2.75, 3.75, 5.0)  # of Asyrp's strength, among which the plain one's is looked for


@dataclass(frozen=True)
class Pair:
    """One attribute at one eta."""

    name: str
    eta: float
    strength: float
    plain: Interval  # effect, in standard deviations
    gain: Interval  # of Asyrp's over it, by sample
    without: Interval  # the same among samples that do not show the attribute yet
    apart: Interval  # distance of the best plain edit's images to Asyrp's, over that of Asyrp's to the unedited ones
    multiple: float  # strength of the best plain edit over Asyrp's
    by_step: Interval  # the same distance for a plain edit at Asyrp's strength times what every step loses


def asyrp(bench: Bench) -> Iterator[Claim]:
    pairs = [pair(bench, name, eta) for eta in ETAS for name in NAMES]
    n = f"{len(bench.away)} held-out samples, strengths chosen on {bench.size.selected} others"
    factors = {eta: lost(replaced(bench, eta)) for eta in ETAS}
    yield Claim(
        "Asyrp (the edit in P_t alone, two passes a step) amplifies an edit",
        "amplifies (SM B)",
        f"what Asyrp adds to an effect of about one standard deviation: {each(pairs, 'gain')} ({n})",
        amplifies([one.gain for one in pairs]),
        f"Tested: whether samples that show the attribute already hide it. Among those that do not: {each(pairs, 'without')}.",
        figures(pairs, "gain"),
    )
    yield Claim(
        "A rescaled plain edit gives much the same image as Asyrp, at one pass a step",
        "much the same (SM B)",
        f"distance to Asyrp's images, over how far these are from the unedited ones: {each(pairs, 'apart')}, "
        f"at {span([one.multiple for one in pairs])} times its strength ({n})",
        much_the_same([one.apart for one in pairs]),
        "Tested: whether one factor for all steps is what fails. By Eq. 2 the offset in D_t takes back a share of it "
        f"that differs from step to step (factors {span(factors[1.0])} at eta 1, {span(factors[0.0])} at eta 0). A plain edit at "
        f"these factors, step by step, still at one pass: {each(pairs, 'by_step')}.",
        figures(pairs, "apart") | figures(pairs, "by_step"),
    )


def amplifies(gains: list[Interval]) -> bool:
    """Whether every gain is above GAIN with its whole interval."""
    return all(gain.low > GAIN for gain in gains)


def much_the_same(apart: list[Interval]) -> bool:
    """Whether every distance is below NEAR with its whole interval."""
    return all(one.high < NEAR for one in apart)


def pair(bench: Bench, name: str, eta: float) -> Pair:
    v, strength = bench.directions[name], bench.strength(name, eta)
    chosen, ids = SELECTED[: bench.size.selected], bench.away
    target = bench.images([Add(v, strength)], chosen, asyrp=True, eta=eta)
    tried = [distance(target, bench.images([Add(v, m * strength)], chosen, eta=eta)) for m in MULTIPLES]
    multiple = least(np.array(MULTIPLES), np.array(tried))

    plain, amplified = (bench.images([Add(v, strength)], ids, asyrp=both, eta=eta) for both in (False, True))
    effects = [bench.changes(images, ids, eta)[name].to_numpy() for images in (plain, amplified)]
    room = bench.room(bench.scores(bench.before(ids, eta))[name])
    factors = torch.tensor(lost(replaced(bench, eta)), dtype=v.dtype).view(-1, *(1,) * (v.ndim - 1))
    scaled, by_step = (
        bench.images([edit], ids, eta=eta) for edit in (Add(v, multiple * strength), Add(v * factors, strength))
    )
    return Pair(
        name,
        eta,
        strength,
        of_mean(effects[0]),
        of_mean(effects[1] - effects[0]),
        of_mean((effects[1] - effects[0])[room]),
        left(amplified, scaled, bench.before(ids, eta)),
        multiple,
        left(amplified, by_step, bench.before(ids, eta)),
    )


def left(target: np.ndarray, images: np.ndarray, unedited: np.ndarray) -> Interval:
    """The distance of images to their targets, over that of the targets to the unedited ones."""
    apart, changed = squared(target, images), squared(target, unedited)
    return bootstrapped(lambda rows: np.sqrt(apart[rows].sum() / changed[rows].sum()), len(apart))


def lost(process: ReverseProcess) -> list[float]:
    """By step, how many times as strong a plain edit must be to change x_{t-1} as Asyrp does, to first order.

    An offset of eps by e changes sqrt(alpha_{t-1}) P_t by -sqrt(alpha_{t-1} (1 - alpha_t) / alpha_t) e, and D_t by
    sqrt(1 - alpha_{t-1} - sigma_t^2) e the other way: Asyrp leaves the second out (Eq. 2-4).
    """
    factors = []
    for level in process.levels:
        kept = (level.alpha_previous * (1 - level.alpha) / level.alpha) ** 0.5
        taken = max(0.0, 1 - level.alpha_previous - level.sigma**2) ** 0.5
        factors.append(kept / (kept - taken))
    return factors


def replaced(bench: Bench, eta: float) -> ReverseProcess:
    """The reverse process of the bench at another eta."""
    process = bench.sample.reverse_process
    return ReverseProcess(process.scheduler, process.steps, eta)


def squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mean squared distance of each of (B, H, W, 3) images, in levels of 0..255: (B,)."""
    return np.square(a.astype(np.float64) - b).reshape(len(a), -1).mean(axis=1)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Root mean squared, in levels of 0..255."""
    return float(np.sqrt(squared(a, b).mean()))


def each(pairs: list[Pair], what: str) -> str:
    """One figure of all pairs, in words."""
    by_eta = (
        f"at eta {eta:g} " + ", ".join(f"{one.name} {getattr(one, what).said()}" for one in pairs if one.eta == eta)
        for eta in ETAS
    )
    return "; ".join(by_eta)


def figures(pairs: list[Pair], what: str) -> dict[str, float]:
    """The same for machines."""
    return {
        f"asyrp_{what}_{one.name}_eta{one.eta:g}{end and '_'}{end}": getattr(getattr(one, what), end or "value")
        for one in pairs
        for end in ("", "low", "high")
    }


def span(values: list[float]) -> str:
    """The least and the largest, in words."""
    return f"{min(values):.1f} to {max(values):.1f}"
