"""How many labelled examples a direction needs, in h and in x_T (Fig. 8a)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks._claims.bench import BATCH, Bench, Claim
from pipeline.engine.store import Store
from pipeline.estimators.linear import mean_difference
from pipeline.estimators.selection import select
from pipeline.hspace.edits import Add
from pipeline.stages.finders.mean_difference import MeanDifference
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.measures.learning_curve import LearningCurve
from pipeline.stages.sources.activations import read_steps
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.sample_ids import HELD_OUT

SPACES = ("h", "x_T")
DOZENS = 32  # positives, and as many negatives: a few dozen
THERE = 0.7  # cosine to the limit from which a direction has converged


def examples(bench: Bench) -> Iterator[Claim]:
    """Directions of h and of x_T from n labelled examples, at eta = 0, where x_T alone makes the image."""
    sample = Sample(bench.sample.model, bench.size.deterministic, bench.size.steps, eta=0.0, point=bench.point)
    annotate = Annotate(sample, (bench.annotator,))
    difference = MeanDifference(annotate, bench.annotator.name, ("smile",), bench.size.deterministic // 3)
    learning_curve = LearningCurve(difference)
    store = bench.made(learning_curve)
    curve = store.table(learning_curve, "learning_curve.parquet").to_pandas().set_index(["space", "n"])["to_truth"]
    to_limit = {space: dict(curve[space][curve[space].index >= 8]) for space in SPACES}
    sizes = list(to_limit["h"])
    shown = [*sizes[:-1:2], sizes[-1]]
    effect = {space: effects_by_n(bench, sample, annotate, store, space, shown) for space in SPACES}
    few = next((n for n in shown if n >= DOZENS), sizes[-1])
    yield Claim(
        "A smile direction in h needs a few dozen labelled examples, in x_T more than 200 (eta = 0)",
        "h converges with a few dozen, x_T needs more than 200 (Fig. 8a)",
        f"n positives and n negatives are the extremes of 3n labelled. Cosine to the limit by n: {said(to_limit)}. "
        f"Effect on smile by n, at one norm: {said(effect)} ({2 * bench.size.few} held-out samples, seed {sample.seed})",
        converges(to_limit, effect, few),
    )


def said(curves: dict[str, dict[int, float]]) -> str:
    """By space and n."""
    return "; ".join(
        f"{space} " + ", ".join(f"{n}: {value:.2f}" for n, value in curve.items()) for space, curve in curves.items()
    )


def converges(to_limit: dict[str, dict[int, float]], effect: dict[str, dict[int, float]], few: int) -> bool:
    """Whether h is there with few examples, by cosine and by effect, and x_T by cosine with none and by effect not with few."""
    most = max(to_limit["x_T"])
    by_cosine = to_limit["h"][few] >= THERE and to_limit["x_T"][most] < THERE
    by_effect = effect["h"][few] >= 0.8 * effect["h"][most] > 0 and effect["x_T"][few] < effect["h"][few]
    return bool(by_cosine and by_effect)


def effects_by_n(
    bench: Bench, sample: Sample, annotate: Annotate, store: Store, space: str, sizes: list[int], norm: float = 0.2
) -> dict[int, float]:
    """Half the difference of smile between + and - a direction from n examples: of h at the norm that the most examples give;
    of x_T at `norm` times the norm of the noise, to which the sum is brought back."""
    scores = annotate.scores(store, bench.annotator.name).reindex(range(sample.n))["smile"].to_numpy()
    shuffled = np.random.default_rng(0).permutation(sample.n)
    ids = HELD_OUT[: 2 * bench.size.few]
    noise = sample.noise(bench.loaded, ids).x_T()
    found = {}
    if space == "h":
        steps = [h for _, h in read_steps(store, sample)]
    else:
        batches = [range(start, min(start + BATCH, sample.n)) for start in range(0, sample.n, BATCH)]
        steps = [np.concatenate([sample.noise(bench.loaded, batch).x_T().flatten(1).numpy() for batch in batches])]
    everything = select(scores, sample.n // 3)
    norms = [float(np.linalg.norm(mean_difference(h, everything))) for h in steps]
    for n in sizes:
        drawn = shuffled[: min(3 * n, sample.n)]  # a third of what was labelled on either side, as of all samples
        own = select(scores[drawn], min(n, len(drawn) // 3))
        v = [mean_difference(h[drawn], own) for h in steps]
        sides = [side_scores(bench, sample, space, v, norms, noise, sign, norm) for sign in (1.0, -1.0)]
        found[n] = float((sides[0] - sides[1]).mean() / 2 / bench.std["smile"])
    return found


def side_scores(
    bench: Bench,
    sample: Sample,
    space: str,
    v: list[np.ndarray],
    norms: list[float],
    x_T: torch.Tensor,
    sign: float,
    norm: float,
) -> np.ndarray:
    """Smile of held-out samples after an edit in either space."""
    process, edits = sample.reverse_process, []
    if space == "h":
        scaled = np.stack([each / np.linalg.norm(each) * length for each, length in zip(v, norms, strict=True)])
        edits = [Add(torch.from_numpy(scaled).float().view(-1, *sample.h_shape), sign)]
    else:
        unit = torch.from_numpy(v[0] / np.linalg.norm(v[0])).float().view(1, *x_T.shape[1:])
        length = x_T.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        edited = x_T + sign * norm * length * unit
        x_T = edited / edited.flatten(1).norm(dim=1).view(-1, 1, 1, 1) * length
    images = bench.loaded.to_images(process.run(bench.loaded.denoiser, Begun(x_T), edits))
    return bench.scores(images)["smile"].to_numpy()


@dataclass(frozen=True)
class Begun:
    """Noise that begins with a given x_T; at eta = 0 there is no other."""

    x: torch.Tensor

    def x_T(self) -> torch.Tensor:
        return self.x

    def sigma_z(self, step: int, sigma: float) -> torch.Tensor | None:
        return None
