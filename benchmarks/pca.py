"""Streaming PCA against scikit-learn's, and against the exact one: `python -m benchmarks.pca [--quick]`.

    IncrementalPCA   scikit-learn's, float32 rows as they come: the estimator that one would use otherwise
    keep k           ours, which keeps as many components between batches as scikit-learn does: the same update, so they must agree
    keep 4k          ours as it is meant
    exact            eigenvectors of the Gram matrix of all samples, all in float64

All get the same batches of 256 rows, in turns, with one thread each, as a worker has; a speedup is the median, over the batches but
the first, of the ratio at that batch.
Of the subspaces of the first k components the smallest principal cosine to the exact one is given: 1 where nothing was lost.
Memory is the peak of a process that fits what it reads from one file after another, less what it had before.
The full run has a speedup with all threads, too: no target, for threads that wait for each other suffer most from others' work.

Shapes: n samples, D numbers each, k components.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import scipy.linalg
import torch
from rich.console import Console
from rich.table import Table
from sklearn.decomposition import IncrementalPCA
from threadpoolctl import threadpool_limits

from benchmarks._memory import forget_peak, memory
from benchmarks._report import verdict
from pipeline.estimators.pca import StreamingPCA

# The project's own bar for fits at scale, at D = 32,768.
TARGETS = {
    "speedup": (">=", 10),  # of keep k over IncrementalPCA, a thread each, as a worker has
    "cosine_to_sklearn": (">=", 0.9999),  # of keep k, the smallest among components that have a gap
    "decaying_cosine": (">=", 0.999),  # of keep 4k, the smallest principal cosine to exact
    "flat_tail_cosine": (">=", 0.999),
    "memory_growth": ("<=", 0.10),  # of the peak, when there are four times as many samples
}

BATCH, K = 256, 50
GAP = 0.01  # between neighbouring singular values, relative: below it, which component is which is a matter of rounding

Seconds = dict[str, list[float]]  # contender -> seconds, one number a batch


@dataclass(frozen=True)
class Size:
    """How much of a comparison is run."""

    D: int
    batches: int
    all_threads_batches: int  # fitted once more with all threads; 0 for not


FULL = Size(D=32768, batches=16, all_threads_batches=6)
QUICK = Size(D=16384, batches=5, all_threads_batches=0)
MEMORY_D, MEMORY_FILES = 32768, 4  # of BATCH samples each, and four times as many


@dataclass(frozen=True)
class Spectrum:
    """Variances of 256 directions, falling as j^-power, with a step down after the k-th so that the first k are well defined.

    Under them lies noise, the same in all D directions; its variance is `tail` times that of the 256 together.
    """

    power: float
    tail: float

    def rows(self, D: int, batches: int) -> Iterator[np.ndarray]:
        """Batches of rows, (BATCH, D) float32."""
        rng = np.random.default_rng(0)
        std = np.arange(1, 257) ** (-self.power / 2)
        std[K:] *= np.sqrt(0.8)
        basis = np.linalg.qr(rng.standard_normal((D, len(std)), dtype=np.float32))[0].T * std[:, None].astype(
            np.float32
        )
        noise = np.float32(np.sqrt(self.tail * np.sum(std**2) / D))
        for _ in range(batches):
            scores = rng.standard_normal((BATCH, len(std)), dtype=np.float32)
            yield scores @ basis + noise * rng.standard_normal((BATCH, D), dtype=np.float32) + np.float32(0.1)


SPECTRA = {"decaying": Spectrum(power=2, tail=0), "flat_tail": Spectrum(power=1, tail=0.5)}


def main() -> int:
    size = QUICK if "--quick" in sys.argv[1:] else FULL
    print(f"Load average at the start: {os.getloadavg()[0]:.1f}")
    figures: dict[str, float] = {"memory_growth": memory_growth()}

    speedups, agreement = [], []
    for name, spectrum in SPECTRA.items():
        batches = list(spectrum.rows(size.D, size.batches))
        fits, seconds = fit_in_turns(batches, threads=1)
        truth = exact_components(np.concatenate(batches))
        cosines = {fit: smallest_principal_cosine(fits[fit].components_, truth) for fit in fits}
        show(f"{name}: {size.batches} batches of {BATCH} x {size.D:,}, one thread", seconds, cosines)
        speedups.append(speedup(seconds))
        agreement.append(smallest_cosine(fits["IncrementalPCA"], fits["keep k"]))
        figures |= {f"{name}_cosine": rounded(cosines["keep 4k"])}
        figures |= {f"{name}_cosine_of_sklearn": rounded(cosines["IncrementalPCA"])}

    figures |= {"speedup": round(median(speedups), 1), "cosine_to_sklearn": rounded(min(agreement))}
    if size.all_threads_batches:
        batches = list(SPECTRA["decaying"].rows(size.D, size.all_threads_batches))
        _, seconds = fit_in_turns(batches, threads=os.cpu_count() or 1)
        show(f"decaying, {os.cpu_count()} threads", seconds)
        figures["speedup_all_threads"] = round(speedup(seconds), 1)
    return verdict("pca", figures, TARGETS)


# Fitting


def fit_in_turns(batches: list[np.ndarray], threads: int) -> tuple[dict[str, Any], Seconds]:
    """The contenders, fitted, and how long each batch took. Every other batch goes backwards, so that nobody is always second."""
    contenders: dict[str, Any] = {
        "IncrementalPCA": IncrementalPCA(K),
        "keep k": StreamingPCA(K, keep=K, batch=BATCH),
        "keep 4k": StreamingPCA(K, batch=BATCH),
    }
    seconds: Seconds = {name: [] for name in contenders}
    with using(threads):
        for i, rows in enumerate(batches):
            for name in contenders if i % 2 else reversed(contenders):
                started = time.perf_counter()
                contenders[name].partial_fit(rows)
                seconds[name].append(time.perf_counter() - started)
    return contenders, seconds


def using(threads: int) -> threadpool_limits:
    """As many threads for torch, and within a `with` block for NumPy and SciPy."""
    torch.set_num_threads(threads)
    return threadpool_limits(threads)


def speedup(seconds: Seconds) -> float:
    """The median over the batches but the first: a machine that slows down for a while slows both sides of a batch."""
    return median(a / b for a, b in list(zip(seconds["IncrementalPCA"], seconds["keep k"], strict=True))[1:])


# Comparing


def exact_components(X: np.ndarray, k: int = K, columns: int = 1024) -> np.ndarray:
    """The first k components (k, D) of X (n, D), through its Gram matrix in float64."""
    mean = X.mean(axis=0, dtype=np.float64)
    blocks = [slice(start, start + columns) for start in range(0, X.shape[1], columns)]
    gram = np.zeros((len(X), len(X)))
    for at in blocks:
        centred = X[:, at] - mean[at]
        gram += centred @ centred.T
    values, U = scipy.linalg.eigh(gram, subset_by_index=[len(X) - k, len(X) - 1])
    weights = (U / np.sqrt(values)).T[::-1]
    return np.concatenate([weights @ (X[:, at] - mean[at]) for at in blocks], axis=1)


def smallest_principal_cosine(found: np.ndarray, truth: np.ndarray) -> float:
    """Of two subspaces with orthonormal bases (k, D): the cosine of the largest angle between them."""
    return float(np.linalg.svd(found.astype(np.float64) @ truth.T, compute_uv=False).min())


def smallest_cosine(theirs: Any, ours: Any) -> float:
    """Of the components of two fits, one by one, where there is a gap to both neighbours (unknown for the last: left out)."""
    steps = -np.diff(theirs.singular_values_) / theirs.singular_values_[:-1]
    clear = np.flatnonzero(np.minimum(steps, np.concatenate([[np.inf], steps[:-1]])) > GAP)
    return float(np.abs(np.sum(theirs.components_[clear] * ours.components_[clear], axis=1)).min())


# Memory


def memory_growth() -> float:
    """By how much the peak of a fit over four times the samples is above that over one time."""
    with tempfile.TemporaryDirectory(prefix="hspace-") as folder:
        files = []
        for i, rows in enumerate(SPECTRA["decaying"].rows(MEMORY_D, 4 * MEMORY_FILES)):
            files.append(Path(folder) / f"{i}.npy")
            np.save(files[-1], rows.astype(np.float16))
        once, four_times = (in_fresh_process(files[:count]) for count in (MEMORY_FILES, 4 * MEMORY_FILES))
    megabytes = [
        f"{peak / 1e6:.1f} MB over {count * BATCH:,} samples"
        for peak, count in ((once, MEMORY_FILES), (four_times, 4 * MEMORY_FILES))
    ]
    print(f"Peak memory of a fit, keep 4k, D = {MEMORY_D:,}: {megabytes[0]}, {megabytes[1]}\n")
    return round(four_times / once - 1, 3)


def in_fresh_process(files: list[Path]) -> int:
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
        return fresh.submit(peak_of_fit, files).result()


def peak_of_fit(files: list[Path]) -> int:
    """Bytes that this process takes at most while it fits these files, above what it had before."""
    torch.set_num_threads(1)
    StreamingPCA(2, batch=4).partial_fit(np.eye(8, dtype=np.float32))  # whatever the libraries set up when first used
    forget_peak()
    before = memory("VmRSS")
    pca = StreamingPCA(K, batch=BATCH)
    for file in files:
        pca.partial_fit(np.load(file))
    assert pca.components_.shape == (K, MEMORY_D)
    return memory("VmHWM") - before


# Showing


def rounded(cosine: float) -> float:
    """To seven digits, downwards: 0.9999 is never shown of what is less."""
    return float(np.floor(cosine * 1e7) / 1e7)


def show(title: str, seconds: Seconds, cosines: dict[str, float] | None = None) -> None:
    columns = ["", "ms a batch", "fastest", "slowest", *(["smallest principal cosine"] if cosines else [])]
    table = Table(*columns, title=title, box=None, header_style="bold", title_justify="left")
    for name, each in seconds.items():
        cells = [f"{1e3 * value:.1f}" for value in (median(each[1:]), min(each[1:]), max(each[1:]))]
        table.add_row(name, *cells, *([f"{cosines[name]:.6f}"] if cosines else []))
    Console(width=110).print(table)


if __name__ == "__main__":
    sys.exit(main())
