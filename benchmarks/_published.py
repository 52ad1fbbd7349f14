"""Directions of a diffusion model as the published code of Haas et al. 2024 finds them: the opponent of `benchmarks.end_to_end`.

Written anew from the method. Its ways are:

    one sample at a time, by the U-Net's forward written out, which gives h, in float32
    scores first, without h; then the samples that stand for an attribute are made again, for every attribute (Eq. 11)
    components (Sec. IV-A) of samples that are made for them, by scikit-learn's IncrementalPCA of every step, batches of 1,000
    singular vectors of the Jacobian (6) one after the other by power iteration: J^T u by reverse mode through what follows h, of a
    graph that is kept, and J v by forward mode through the whole U-Net
    what was found as pickles

Noise, annotator and the rule of Eq. 2 (diffusers' own) are those of the other side, so that both find the same directions.

Shapes: T steps, k components or singular vectors, C H W bottleneck.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DModel
from sklearn.decomposition import IncrementalPCA
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.func import jvp
from torch.nn.attention import SDPBackend, sdpa_kernel

from pipeline.annotators.registry import annotator
from pipeline.hspace.noise import NoiseStreams
from pipeline.models.pixels import to_uint8

BATCH = 1000  # samples of a step that the PCA takes at once
TRIES = 3  # samples by which the number of threads is chosen


@dataclass(frozen=True)
class Work:
    """What is to be found, and the folder that it is written to."""

    model: Path
    annotator: str
    attributes: tuple[str, ...]
    n: int  # samples 0 to n - 1 of the seed
    seed: int
    steps: int  # T
    top: int  # positives, and as many negatives
    components: int
    jacobians: int  # samples
    at: tuple[int, ...]  # steps of a Jacobian
    vectors: int
    tolerance: float  # of |J v - s u| / s_1
    cap: int  # iterations a vector
    folder: Path


def begin(work: Work) -> int:
    """Get this process ready: as many threads as make a sample fastest on this machine as it is, one or one a core. Return it."""
    published = _at_work(work)
    seconds = {}
    for threads in (1, os.cpu_count() or 1):
        torch.set_num_threads(threads)
        took = []
        for _ in range(TRIES):
            began = time.perf_counter()
            published.sample(0)
            took.append(time.perf_counter() - began)
        seconds[threads] = median(took)
    fastest = min(seconds, key=lambda threads: seconds[threads])
    torch.set_num_threads(fastest)
    threadpool_limits(fastest)
    return fastest


def do(part: str, work: Work) -> float:
    """Do one of the four parts in this process. Return the seconds of it that went into samples that had been made before."""
    published = _at_work(work)
    before = published.again
    getattr(published, part)()
    return published.again - before


class Published:
    """A model in memory, and what is made of it."""

    def __init__(self, work: Work):
        self.work = work
        work.folder.mkdir(parents=True, exist_ok=True)
        self.unet: Any = UNet2DModel.from_pretrained(work.model / "unet").eval().requires_grad_(False)
        self.scheduler = DDIMScheduler.from_pretrained(work.model / "scheduler")
        self.scheduler.set_timesteps(work.steps)
        self.annotator = annotator(work.annotator)
        self.score = self.annotator.load()
        self.made: set[int] = set()  # samples
        self.again = 0.0  # seconds in which samples were made that had been made before

    def labelled(self) -> None:
        """The scores (n, A) of all samples."""
        scores = np.concatenate([self.score(self.sample(i)[1]) for i in range(self.work.n)])
        wanted = [self.annotator.attributes.index(name) for name in self.work.attributes]
        torch.save(torch.from_numpy(scores[:, wanted]), self.work.folder / "scores.pt")

    def directions(self) -> None:
        """For each attribute the difference of means (T, C, H, W)."""
        scores = torch.load(self.work.folder / "scores.pt", weights_only=True)
        for name, of_attribute in zip(self.work.attributes, scores.T, strict=True):
            order = of_attribute.argsort(stable=True).tolist()
            direction = torch.zeros(())
            for positive, negative in zip(order[-self.work.top :], order[: self.work.top], strict=True):
                direction = direction + (self.sample(positive)[0] - self.sample(negative)[0]) / self.work.top
            torch.save(direction, self.work.folder / f"direction-{name}.pt")

    def components(self) -> None:
        """Components (k, T, C, H, W), a standard deviation long, with the sign of step 0; and singular values (k, T)."""
        h = torch.stack([self.sample(i)[0] for i in range(self.work.n)])
        fits = [IncrementalPCA(n_components=self.work.components) for _ in range(self.work.steps)]
        for batch in h.flatten(2).split(BATCH):
            for step, pca in enumerate(fits):
                pca.partial_fit(batch[:, step])
        S = torch.from_numpy(np.stack([pca.singular_values_ for pca in fits], axis=1))
        V = torch.from_numpy(np.stack([pca.components_ for pca in fits], axis=1))
        agree = torch.einsum("ktd,kd->kt", V, V[:, 0]) < 0
        scaled = V * (torch.where(agree, -S, S) / (self.work.n - 1) ** 0.5)[:, :, None]
        found = {"components": scaled.float().unflatten(2, h.shape[2:]), "singular_values": S}
        torch.save(found, self.work.folder / "components.pt")

    def jacobians(self) -> None:
        """Singular vectors of h (samples, steps, k, C, H, W), singular values and residuals (samples, steps, k)."""
        torch.manual_seed(0)
        of_samples = [self._jacobians_of(i) for i in range(self.work.jacobians)]
        found = {name: torch.stack([each[name] for each in of_samples]) for name in of_samples[0]}
        torch.save(found, self.work.folder / "jacobians.pt")

    @torch.no_grad()
    def sample(self, i: int) -> tuple[Tensor, np.ndarray]:
        """One sample: h (T, C, H, W), and the image (1, height, width, 3) uint8."""
        began = time.perf_counter()
        noise = self._noise(i)
        x, kept = noise.next(), []
        for t in self.scheduler.timesteps:
            output, h = forward(self.unet, x, t)
            kept.append(h[0])
            x = self._previous(output, t, x, noise)
        sample = torch.stack(kept), to_uint8(x).numpy()
        if i in self.made:
            self.again += time.perf_counter() - began
        self.made.add(i)
        return sample

    def _jacobians_of(self, i: int) -> dict[str, Tensor]:
        noise, found = self._noise(i), []
        x = noise.next()
        for step, t in enumerate(self.scheduler.timesteps[: max(self.work.at) + 1]):
            with torch.no_grad():
                output, h = forward(self.unet, x, t)
            if step in self.work.at:
                f = self._eps(x, t, h)
                found.append(singular_vectors(f, h, self.work.vectors, self.work.tolerance, self.work.cap))
            x = self._previous(output, t, x, noise)
        return {name: torch.stack([each[name] for each in found]) for name in found[0]}

    def _noise(self, i: int) -> NoiseStreams:
        config = self.unet.config
        return NoiseStreams(self.work.seed, [i], (config.in_channels, config.sample_size, config.sample_size))

    def _previous(self, output: Tensor, t: Tensor, x: Tensor, noise: NoiseStreams) -> Tensor:
        return self.scheduler.step(output, t, x, eta=1.0, variance_noise=noise.next()).prev_sample

    def _eps(self, x: Tensor, t: Tensor, h: Tensor) -> Callable[[Tensor], Tensor]:
        """What the predicted noise is as a function of h."""
        alpha = float(self.scheduler.alphas_cumprod[t])
        of_v = self.scheduler.config.prediction_type == "v_prediction"

        def eps(changed: Tensor) -> Tensor:
            output, _ = forward(self.unet, x, t, changed - h)
            return alpha**0.5 * output + (1 - alpha) ** 0.5 * x if of_v else output

        return eps


@cache
def _at_work(work: Work) -> Published:
    return Published(work)


def singular_vectors(f: Callable[[Tensor], Tensor], h: Tensor, k: int, tolerance: float, cap: int) -> dict[str, Tensor]:
    """The k right singular vectors of the Jacobian of f at h (1, C, H, W) of the largest singular values, one after the other.

    Iterates are left vectors u, orthogonal to those found. One ends when |J v - s u| / s_1 is within the tolerance, v = J^T u / s,
    or after so many iterations. Returns vectors (k, C, H, W), S (k,) and residuals (k,).
    """
    at = h.detach().requires_grad_()
    with sdpa_kernel(SDPBackend.MATH):  # which has a forward mode
        y = f(at).flatten()
        found = y.new_zeros(0, len(y))
        vectors: list[Tensor] = []
        S: list[float] = []
        residuals: list[float] = []
        for _ in range(k):
            u = torch.randn(len(y))
            u -= found.T @ (found @ u)
            u /= u.norm()
            for _ in range(cap):
                q = torch.autograd.grad(y @ u, at, retain_graph=True)[0]
                s = float(q.norm())
                v = q / s
                with torch.no_grad():
                    image = jvp(f, (h,), (v,))[1].flatten()
                    image -= found.T @ (found @ image)
                    residual = float((image - s * u).norm()) / (S[0] if S else s)
                    before, u = u, image / image.norm()
                if residual <= tolerance:
                    break
            found = torch.cat([found, before[None]])
            vectors.append(v[0])
            S.append(s)
            residuals.append(residual)
    return {"vectors": torch.stack(vectors), "singular_values": torch.tensor(S), "residuals": torch.tensor(residuals)}


def forward(unet: Any, x: Tensor, t: Tensor, delta_h: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """UNet2DModel's forward written out, to get at h between the mid block and the up blocks: its output, and h unchanged."""
    embedding = unet.time_embedding(unet.time_proj(t.expand(len(x))))
    x = unet.conv_in(x)
    skips = [x]
    for block in unet.down_blocks:
        x, more = block(x, embedding)
        skips += more
    h = x = unet.mid_block(x, embedding)
    if delta_h is not None:
        x = h + delta_h
    for block in unet.up_blocks:
        n = len(block.resnets)
        skips, taken = skips[:-n], skips[-n:]
        x = block(x, tuple(taken), embedding)
    return unet.conv_out(unet.conv_act(unet.conv_norm_out(x))), h
