"""How many labelled examples a direction needs, in h and in x_T (Fig. 8a), at an equal change of the image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from benchmarks._claims.asyrp import distance
from benchmarks._claims.bench import BATCH, Bench, Claim
from benchmarks._claims.statistics import Interval, of_mean
from pipeline.engine.store import Store
from pipeline.estimators.linear import mean_difference
from pipeline.estimators.selection import select
from pipeline.hspace.edits import Add
from pipeline.models.pretrained import LoadedModel
from pipeline.stages.finders.mean_difference import MeanDifference
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.measures.learning_curve import LearningCurve
from pipeline.stages.sources.activations import read_steps
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.sample_ids import HELD_OUT, SELECTED

SPACES = ("h", "x_T")
NAME = "smile"
FEW = 32  # positives, and as many negatives: a few dozen
MANY = 200  # which are not enough in x_T, by the paper
THERE = 0.7  # cosine to the limit from which a direction has converged
REACHED = 0.8  # share of the limit's effect from which an edit has, at the same change of the image
FIRST = {"h": 1.0, "x_T": 0.2}  # norms that the change of the image is first looked at: of the limit's, of the noise's

Vectors = list[np.ndarray]  # one a step in h, one in x_T, (D,) each


def examples(bench: Bench) -> Iterator[Claim]:
    """Directions of h and of x_T from n labelled examples, at eta = 0, where x_T alone makes the image."""
    sample = replace(bench.sample, n=bench.size.deterministic, eta=0.0)
    annotate = Annotate(sample, (bench.annotator,))
    difference = MeanDifference(annotate, bench.annotator.name, (NAME,), bench.size.deterministic // 3)
    learning_curve = LearningCurve(difference)
    store = bench.made(learning_curve)
    curve = store.table(learning_curve, "learning_curve.parquet").to_pandas().set_index(["space", "n"])["to_truth"]
    to_limit = {space: curve[space].to_dict() for space in SPACES}
    scores = annotate.scores(store, bench.annotator.name).reindex(range(sample.n))[NAME].to_numpy()
    change = 0.0
    effects: dict[str, Effects] = {}
    for space in SPACES:
        edits = Edits(bench, sample, space)
        effects[space] = of_space(edits, observed(bench, sample, store, space), scores, change)
        change = effects[space].change
    few, many = (nearest(to_limit["h"], n) for n in (FEW, MANY))
    shares = {space: {n: of_mean(values) for n, values in found.shares.items()} for space, found in effects.items()}
    yield Claim(
        f"A {NAME} direction in h needs a few dozen labelled examples, in x_T more than 200 (eta = 0)",
        "h converges with a few dozen, x_T needs more than 200 (Fig. 8a)",
        "n positives and n negatives are the extremes of 3n labelled. Cosine to the limit: "
        + "; ".join(
            f"{space} {to_limit[space][few]:.2f} at {few}, {to_limit[space][many]:.2f} at {many}" for space in SPACES
        )
        + f". Effect, as a share of that of all, at one change of the image ({change:.0f} levels): "
        + "; ".join(
            f"{space} " + ", ".join(f"{one.said()} at {n}" for n, one in shares[space].items()) for space in SPACES
        )
        + f" ({bench.size.draws} draws; {len(ids_of(bench))} held-out samples, "
        f"strengths found on {bench.size.selected // 2} others)",
        converges(to_limit, shares, few, many),
        "Tested: whether what few examples get wrong does nothing to the image. What a direction from "
        f"{min(effects['h'].shares)} does not share with that of all was added alone, at the same change of the image; its effect, "
        f"over that of all: {', '.join(f'{space} {of_mean(found.rest).said()}' for space, found in effects.items())}.",
        {f"cosine_{space}_{n}": float(to_limit[space][n]) for space in SPACES for n in (few, many)}
        | {f"share_{space}_{n}": one.value for space in SPACES for n, one in shares[space].items()}
        | {f"rest_{space}": float(found.rest.mean()) for space, found in effects.items()}
        | {f"limit_{space}": found.limit for space, found in effects.items()},
    )


def nearest(curve: dict[int, float], n: int) -> int:
    """The number of examples that the curve has, nearest to n."""
    return min(curve, key=lambda each: abs(each - n))


def converges(
    to_limit: dict[str, dict[int, float]], shares: dict[str, dict[int, Interval]], few: int, many: int
) -> bool:
    """Whether h is there with few examples and x_T with many is not, by the cosine and by what edits do.

    By effect: h has reached its limit's with the whole interval at few, and x_T has at none, with the whole interval.
    """
    by_cosine = to_limit["h"][few] >= THERE and to_limit["x_T"][many] < THERE
    least = min(shares["h"])
    by_effect = shares["h"][least].low >= REACHED and all(one.high < REACHED for one in shares["x_T"].values())
    return bool(by_cosine and by_effect)


@dataclass(frozen=True)
class Effects:
    """What edits in one space do, all at one change of the image."""

    change: float  # of the image, in levels
    limit: float  # effect of the direction from all examples
    shares: dict[int, np.ndarray]  # by n, of each draw: the effect over that
    rest: np.ndarray  # of each draw of the fewest: the effect of what is not shared with all, over that


def ids_of(bench: Bench) -> range:
    return HELD_OUT[: bench.size.paired // 3]


def observed(bench: Bench, sample: Sample, store: Store, space: str) -> Vectors:
    """What directions are made of: (n, D) of h at every step, or of x_T once."""
    if space == "h":
        return [h for _, h in read_steps(store, sample)]
    groups = [range(start, min(start + BATCH, sample.n)) for start in range(0, sample.n, BATCH)]
    return [np.concatenate([sample.noise(bench.loaded, ids).x_T().flatten(1).numpy() for ids in groups])]


def of_space(edits: "Edits", found_in: Vectors, scores: np.ndarray, change: float) -> Effects:
    """Directions of several draws of examples, beside that of all. A change of 0 is that of the direction of all as it is."""
    n = len(scores)
    everything = scaled([mean_difference(h, select(scores, n // 3)) for h in found_in], edits.space)
    change = change or edits.change(everything, FIRST[edits.space])
    limit = edits.effect(everything, change)
    shares: dict[int, list[float]] = {}
    rest = []
    for size in dict.fromkeys(min(each, n // 6) for each in (FEW, MANY)):
        for draw in range(edits.bench.size.draws):
            drawn = np.random.default_rng(draw).permutation(n)[: 3 * size]
            own = select(scores[drawn], size)
            v = scaled([mean_difference(h[drawn], own) for h in found_in], edits.space, everything)
            shares.setdefault(size, []).append(edits.effect(v, change) / limit)
            if len(shares) == 1:
                rest.append(edits.effect(scaled(without(v, everything), edits.space, everything), change) / limit)
    return Effects(change, limit, {size: np.array(each) for size, each in shares.items()}, np.array(rest))


def without(v: Vectors, other: Vectors) -> Vectors:
    """v without what it shares with another, step by step."""
    return [a - (a @ b) / (b @ b) * b for a, b in zip(v, other, strict=True)]


def scaled(v: Vectors, space: str, like: Vectors | None = None) -> Vectors:
    """In h at the norm of another at every step, or as it is; in x_T of norm 1."""
    if space == "x_T":
        return [each / np.linalg.norm(each) for each in v]
    return [a / np.linalg.norm(a) * np.linalg.norm(b) for a, b in zip(v, like or v, strict=True)]


@dataclass(frozen=True)
class Edits:
    """Edits in one space, either way along a direction."""

    bench: Bench
    sample: Sample
    space: str

    def effect(self, v: Vectors, change: float) -> float:
        """Half the difference between + and -, in standard deviations, at the strength of this change of the image."""
        sides = [self.images(v, sign * self.strength(v, change), ids_of(self.bench)) for sign in (1.0, -1.0)]
        up, down = (self.bench.scores(images)[NAME].mean() for images in sides)
        return float((up - down) / 2 / self.bench.std[NAME])

    def strength(self, v: Vectors, change: float, rounds: int = 2) -> float:
        """Found on selection samples, by the power of the strength that the change goes with."""
        strength, power = FIRST[self.space], 1.0
        known: list[tuple[float, float]] = []
        for _ in range(rounds):
            known.append((strength, self.change(v, strength)))
            if len(known) > 1 and known[-1][0] != known[-2][0]:
                steps = np.log(known[-1]) - np.log(known[-2])
                power = float(np.clip(steps[1] / steps[0], 0.3, 2.0))
            strength *= (change / known[-1][1]) ** (1 / power)
        return float(strength)

    def change(self, v: Vectors, strength: float) -> float:
        """How far images are from the unedited ones, in levels, over selection samples and both ways."""
        ids = SELECTED[: self.bench.size.selected // 2]
        before = self.bench.before(ids, 0.0)
        return float(np.mean([distance(self.images(v, sign * strength, ids), before) for sign in (1.0, -1.0)]))

    def images(self, v: Vectors, strength: float, ids: Sequence[int]) -> np.ndarray:
        """Edited samples; edits of x_T are in units of its norm, to which the sum is brought back."""

        def draw(loaded: LoadedModel, some: list[int]) -> np.ndarray:
            x_T, edits = self.sample.noise(loaded, some).x_T(), []
            if self.space == "h":
                edits = [Add(torch.from_numpy(np.stack(v)).float().view(-1, *self.sample.h_shape), strength)]
            else:
                length = x_T.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
                edited = x_T + strength * length * torch.from_numpy(v[0]).float().view(1, *x_T.shape[1:])
                x_T = edited / edited.flatten(1).norm(dim=1).view(-1, 1, 1, 1) * length
            process, denoiser = self.sample.reverse_process, self.sample.denoiser(loaded, some)
            return loaded.to_images(process.run(denoiser, Begun(x_T), edits))

        return self.bench.in_batches(draw, ids)


@dataclass(frozen=True)
class Begun:
    """Noise that begins with a given x_T; at eta = 0 there is no other."""

    x: torch.Tensor

    def x_T(self) -> torch.Tensor:
        return self.x

    def sigma_z(self, step: int, sigma: float) -> torch.Tensor | None:
        return None
