"""What bfloat16 gains and costs: seconds, h, images, directions and effects beside those of float32, with the same noise.

    speed       samples of whole batches, by turns, in seconds of the one thread that makes them; a ratio is the median over the
                rounds of the ratio within a round
    h           as it is stored, float16, of the same samples: relative RMS error and cosine, step by step
    directions  Eq. 11 on the samples of either dtype, with the labels of their own images: the cosine of the two
    effects     the directions of float32 at strength 1 on samples that they were not found in, in either dtype: what the judge
                says of an edited image less what it says of the same unedited one, in standard deviations of the samples' scores

Two runs of a stochastic sampler part ways where one of them is rounded, so that single images differ by more than single passes do.
Effects are means over samples, and the judge's interval of a difference says how far n samples tell it from none.

Shapes: n samples, T steps, D numbers of h, A attributes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.annotators.base import Scorer
from pipeline.annotators.registry import annotator
from pipeline.batches import batches
from pipeline.estimators.linear import mean_difference
from pipeline.estimators.selection import Selection
from pipeline.hspace.dtypes import BFLOAT16, FLOAT32, clock
from pipeline.hspace.edits import Add
from pipeline.hspace.noise import NoiseStreams
from pipeline.hspace.reverse_process import ReverseProcess
from pipeline.metrics.intervals import half_width
from pipeline.models.pretrained import LoadedModel, Model
from pipeline.stages.sources.dtypes import Dtypes
from pipeline.stages.sources.sample_ids import FITTED, FRESH

DIRECTIONS = ("smile", "glasses", "yaw")


@dataclass(frozen=True)
class Amount:
    """How much is compared."""

    batch: int
    rounds: int  # batches that are timed, after one that is not; directions are fitted on all of them
    top: int  # positives, and as many negatives, of a direction
    edited: int  # samples that effects are measured on


class Made(NamedTuple):
    """Samples in one dtype."""

    h: Tensor  # (T, n, D) float16
    images: np.ndarray  # (n, H, W, 3) uint8
    seconds: list[float]  # of each timed batch


def compared(model: Model, steps: int, amount: Amount) -> dict[str, float]:
    """Every figure, of a bundled model of portraits at eta = 1."""
    process = ReverseProcess(model.ddim(), steps, 1.0)
    loaded = {dtype: model.load(dtype=dtype) for dtype in (FLOAT32, BFLOAT16)}
    choice = Dtypes(model, amount.batch).timed(loaded[FLOAT32])
    made = by_turns(loaded, process, model, amount)
    speedup = ratio(made[FLOAT32].seconds, made[BFLOAT16].seconds)
    relative, cosine = errors_by_step(made[BFLOAT16].h, made[FLOAT32].h)

    labels, judge = (annotator(name) for name in ("portraits", "portraits-judge"))
    label, score = labels.load(), judge.load()
    found = {dtype: directions(each, label(each.images), labels.attributes, amount.top) for dtype, each in made.items()}
    unit = score(made[FLOAT32].images).std(axis=0)
    of = [effects(each, process, model, found[FLOAT32], amount, score) / unit for each in loaded.values()]
    mean, wide = difference(*of)
    worst = np.unravel_index(np.abs(mean).argmax(), mean.shape)
    targets = [judge.attributes.index(name) for name in DIRECTIONS]
    print(
        f"At strength 1, on {amount.edited} samples, by {judge.name!r}: "
        + "; ".join(
            f"{name} moves {name} by {of[0][i, :, a].mean():+.2f} SD in float32, {of[1][i, :, a].mean():+.2f} in bfloat16"
            for i, (name, a) in enumerate(zip(DIRECTIONS, targets, strict=True))
        )
        + f". The largest difference of any effect: {DIRECTIONS[worst[0]]} on {judge.attributes[worst[1]]}, "
        f"{mean[worst]:+.3f} SD +- {wide[worst]:.3f} (95 %)."
    )
    print("Error of h by step, the noisiest first: " + " ".join(f"{each:.3f}" for each in relative))
    apart = np.abs(made[BFLOAT16].images.astype(int) - made[FLOAT32].images)
    return {
        "bfloat16_speedup": round(speedup, 2),
        "auto_speedup": round(speedup, 2) if choice.dtype == BFLOAT16 else 1.0,  # of what `dtype` auto takes here
        "bfloat16_h_error_first": round(float(relative[0]), 4),
        "bfloat16_h_error_last": round(float(relative[-1]), 4),
        "bfloat16_h_cosine_least": round(float(cosine.min()), 5),
        "bfloat16_direction_cosine_least": round(
            min(float(_cosine(a, b)) for a, b in zip(found[BFLOAT16], found[FLOAT32], strict=True)), 5
        ),
        "bfloat16_pixel_difference": round(float(apart.mean()), 3),  # levels of 255, the mean
        "bfloat16_pixels_apart": round(float((apart > 8).mean()), 4),  # share of more than 8 levels
        "bfloat16_effect_difference": round(float(np.abs(mean[worst])), 4),  # SD, the largest mean
        "bfloat16_effect_difference_at_most": round(
            float((np.abs(mean) + wide).max()), 4
        ),  # SD, of all intervals' ends
    }


@torch.inference_mode()
def speedup_of_a_pass(model: Model, batch: int, rounds: int) -> tuple[float, float]:
    """How many times as fast passes are in bfloat16, by turns, and the relative error of h; of a network too slow to sample."""
    loaded = {dtype: model.load(dtype=dtype) for dtype in (FLOAT32, BFLOAT16)}
    x_t = NoiseStreams(0, range(batch), model.x_shape).x_T()
    seconds: dict[str, list[float]] = {dtype: [] for dtype in loaded}
    h: dict[str, Tensor] = {}
    for i in range(rounds + 1):
        for dtype in loaded if i % 2 else reversed(list(loaded)):
            started = clock()
            h[dtype] = loaded[dtype].denoiser(x_t, 500)[1].float()
            seconds[dtype] += [clock() - started] if i else []
    relative, _ = errors_by_step(h[BFLOAT16][None], h[FLOAT32][None])
    return ratio(seconds[FLOAT32], seconds[BFLOAT16]), float(relative[0])


def by_turns(
    loaded: Mapping[str, LoadedModel], process: ReverseProcess, model: Model, amount: Amount
) -> dict[str, Made]:
    """Samples 0 .. in each dtype, batch by batch by turns. The first batch warms up and is not timed."""
    parts: dict[str, list[tuple[Tensor, np.ndarray, float]]] = {dtype: [] for dtype in loaded}
    for i in range(amount.rounds + 1):
        ids = FITTED[i * amount.batch : (i + 1) * amount.batch]
        for dtype in loaded if i % 2 else reversed(list(loaded)):
            started = clock()
            h, images = sampled(loaded[dtype], process, NoiseStreams(0, ids, model.x_shape))
            parts[dtype].append((h, images, clock() - started))
    return {
        dtype: Made(torch.cat([h for h, _, _ in of], 1), np.concatenate([x for _, x, _ in of]), [s for *_, s in of[1:]])
        for dtype, of in parts.items()
    }


def sampled(loaded: LoadedModel, process: ReverseProcess, noise: NoiseStreams) -> tuple[Tensor, np.ndarray]:
    """h (T, n, D) float16, and images (n, H, W, 3)."""
    h: list[Tensor] = []
    x_0 = process.run(loaded.denoiser, noise, on_h=lambda step, timestep, each: h.append(each.half().flatten(1)))
    return torch.stack(h), loaded.to_images(x_0)


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """The median over the rounds of the ratio within a round."""
    return median(a / b for a, b in zip(slow, fast, strict=True))


def errors_by_step(h: Tensor, exact: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Relative RMS error and cosine of h (T, n, D), step by step, both (T,)."""
    a, b = h.flatten(1).double(), exact.flatten(1).double()
    return ((a - b).norm(dim=1) / b.norm(dim=1)).numpy(), torch.cosine_similarity(a, b, dim=1).numpy()


def directions(made: Made, labels: np.ndarray, attributes: Sequence[str], top: int) -> Tensor:
    """Eq. 11 for `DIRECTIONS`, (K, T, D), by labels (n, A) of the samples' own images."""
    of_each = []
    for name in DIRECTIONS:
        scores = labels[:, attributes.index(name)]
        order = np.argsort(scores, kind="stable")
        selection = Selection.of(scores, order[::-1][:top], order[:top])
        of_each.append(np.stack([mean_difference(h, selection) for h in made.h.numpy()]))
    return torch.from_numpy(np.stack(of_each)).float()


def effects(
    loaded: LoadedModel, process: ReverseProcess, model: Model, found: Tensor, amount: Amount, score: Scorer
) -> np.ndarray:
    """What each direction at strength 1 does to samples that none was found in, by a judge's scores: (K, n, A), in their units."""
    ids, shape = FRESH[: amount.edited], model.h_shape()
    changes = []
    for some in batches(amount.edited, amount.batch):
        noise = [NoiseStreams(0, ids[some], model.x_shape) for _ in range(len(found) + 1)]
        before = score(loaded.to_images(process.run(loaded.denoiser, noise[-1])))
        edited = [
            process.run(loaded.denoiser, each, [Add(v.view(-1, *shape))])
            for v, each in zip(found, noise[:-1], strict=True)
        ]
        changes.append(np.stack([score(loaded.to_images(x_0)) - before for x_0 in edited]))
    return np.concatenate(changes, axis=1)


def difference(exact: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean over samples of what differs sample by sample (K, n, A), and half its interval at 95 %, both (K, A)."""
    apart = other - exact
    mean, spread = apart.mean(axis=1), apart.std(axis=1, ddof=1)
    return mean, half_width(0 * mean, spread, np.full(mean.shape, exact.shape[1]))


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    return torch.cosine_similarity(a.flatten(), b.flatten(), dim=0)
