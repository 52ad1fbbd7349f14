"""Linear classifiers of many attributes, against scikit-learn's: `python -m benchmarks.linear [--quick]`.

    in the span          ours: one Gram matrix and its eigendecomposition, then all attributes, folds and regularisers at once, and
                         the way back to the D features
    LogisticRegression   scikit-learn's, of standardised h in float32, an attribute at a time: what one would use otherwise

Both choose C of the same five by the log-loss of the same five folds, and fit all samples with it; both have every thread of the
machine. They take turns. Ours is timed for all attributes, with everything that it does; scikit-learn, which loops over the
attributes anyway, for one attribute a round, and that is multiplied by their number. Of the attributes that are left it makes the
last fit alone, with the C that ours chose, so that all directions are compared.

A third way is measured without a target: streaming principal components in place of the span, for samples without number.

Shapes: n samples, D features, A attributes.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TypeVar

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.preprocessing import StandardScaler

from benchmarks._report import verdict
from pipeline.estimators import dual
from pipeline.estimators.linear import classifiers
from pipeline.estimators.pca import StreamingPCA
from pipeline.estimators.selection import folds

# The project's own bar for classifiers at D = 32,768.
TARGETS = {
    "speedup": (">=", 10),  # all attributes, everything counted
    "smallest_cosine": (">=", 0.9999),  # of any attribute's direction to scikit-learn's
    "same_C": (">=", 1.0),  # share of the attributes timed for which both chose the same
}

FOLDS = 5
GRID = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)  # C
COMPONENTS = 256  # of the streaming PCA


T = TypeVar("T")


@dataclass(frozen=True)
class Size:
    """How much of the comparison is run."""

    n: int
    D: int
    A: int
    rounds: int


FULL = Size(n=2048, D=32768, A=20, rounds=3)
QUICK = Size(n=1024, D=8192, A=8, rounds=2)


@dataclass(frozen=True)
class Fit:
    """Directions in the units of h (A, D), the C of each (A,), and decisions on held-out samples (n, A)."""

    directions: np.ndarray
    C: np.ndarray
    held_out: np.ndarray


def main() -> int:
    size = QUICK if "--quick" in sys.argv[1:] else FULL
    print(f"Load average at the start: {os.getloadavg()[0]:.1f}; threads: {torch.get_num_threads()}")
    h, labels = planted(size)
    timed = range(0, size.A, -(-size.A // size.rounds))
    in_the_span(h[:256], labels[:256])  # warms up

    seconds: dict[str, list[float]] = {"ours": [], "standardise": [], "one attribute": []}
    fold = folds(range(size.n), FOLDS)
    theirs, same_C = np.empty((size.A, size.D)), []
    for a in timed:
        ours = clocked(seconds["ours"], partial(in_the_span, h, labels))
        X, std = clocked(seconds["standardise"], partial(standardised, h))
        theirs[a], C = clocked(seconds["one attribute"], partial(by_sklearn, X, labels[:, a], fold))
        same_C.append(ours.C[a] == C)
    for a in set(range(size.A)) - set(timed):
        theirs[a] = fitted(X, labels[:, a], ours.C[a]).coef_[0]
    projected = in_components(h, labels)
    ratio = [
        (standardise + size.A * one) / all_ours
        for all_ours, standardise, one in zip(*(seconds[name] for name in seconds), strict=True)
    ]
    show(size, seconds, ours, projected, labels)
    figures = {
        "speedup": round(median(ratio), 1),
        "smallest_cosine": round(float(cosines(ours.directions, theirs / std).min()), 8),
        "same_C": float(np.mean(same_C)),
        "auc": round(mean_auc(labels, ours.held_out), 4),
        "auc_of_components": round(mean_auc(labels, projected.held_out), 4),
        "mean_cosine_of_components": round(float(cosines(projected.directions, ours.directions).mean()), 4),
    }
    return verdict("linear", figures, TARGETS)


def planted(size: Size, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """h (n, D) float16 and labels (n, A) of 0 and 1: attributes that correlate in fours, and are no more than told by h.

    Under noise lie n / 8 directions of falling variance, and one for each attribute; features have spreads far apart.
    """
    rng = np.random.default_rng(seed)
    shared = np.repeat(rng.standard_normal((size.n, -(-size.A // 4))), 4, axis=1)[:, : size.A]
    scores = np.sqrt(0.4) * shared + np.sqrt(0.6) * rng.standard_normal((size.n, size.A))
    variances = 20 / np.arange(1, size.n // 8 + 1)
    latent = rng.standard_normal((size.n, len(variances))) * np.sqrt(variances)
    factors = np.hstack([latent, 0.35 * scores]).astype(np.float32)

    h = factors @ rng.standard_normal((factors.shape[1], size.D), dtype=np.float32)
    h += rng.standard_normal(h.shape, dtype=np.float32)
    h *= rng.lognormal(size=size.D).astype(np.float32)
    h += rng.standard_normal(size.D, dtype=np.float32)
    labels = scores + 0.5 * rng.standard_normal(scores.shape) > 0
    return h.astype(np.float16), labels.astype(np.float64)


# The contenders


def in_the_span(h: np.ndarray, labels: np.ndarray) -> Fit:
    mean, std = dual.moments(h)
    z, weights = dual.coordinates(dual.gram(h, mean, std))
    found = classifiers(z, labels, folds(range(len(h)), FOLDS), "logistic", GRID)
    directions = dual.combine(found.coefficients @ weights, h, mean, std) / std
    return Fit(directions, found.C, found.held_out)


def standardised(h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scaler = StandardScaler(copy=False)
    return scaler.fit_transform(h.astype(np.float32)), scaler.scale_


def by_sklearn(X: np.ndarray, y: np.ndarray, fold: np.ndarray) -> tuple[np.ndarray, float]:
    """One attribute: the normal of standardised samples (D,), and the C chosen."""
    losses = []
    for C in GRID:
        chances = np.empty(len(y))
        for k in range(FOLDS):
            outside = fold != k
            chances[~outside] = fitted(X[outside], y[outside], C).predict_proba(X[~outside])[:, 1]
        losses.append(log_loss(y, chances))
    C = GRID[int(np.argmin(losses))]
    return fitted(X, y, C).coef_[0], C


def fitted(X: np.ndarray, y: np.ndarray, C: float) -> LogisticRegression:
    return LogisticRegression(C=C, max_iter=1000).fit(X, y)


def in_components(h: np.ndarray, labels: np.ndarray) -> Fit:
    """As `in_the_span`, in the coordinates of streaming principal components of raw h; rows go by in chunks."""
    k = min(COMPONENTS, len(h) // 4)
    pca = StreamingPCA(k, keep=k)
    chunks = np.array_split(h, max(1, len(h) // 256))
    for rows in chunks:
        pca.partial_fit(rows)
    mean, std = dual.moments(h)
    basis = dual.standardised_basis(pca.components_, std)
    z = np.concatenate([dual.projected(rows, basis, mean, std) for rows in chunks])
    found = classifiers(z, labels, folds(range(len(h)), FOLDS), "logistic", GRID)
    return Fit(found.coefficients @ basis / std, found.C, found.held_out)


# Measuring


def clocked(seconds: list[float], run: Callable[[], T]) -> T:
    started = time.perf_counter()
    result = run()
    seconds.append(time.perf_counter() - started)
    return result


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of rows, (A,)."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return np.einsum("ad,ad->a", a, b) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def mean_auc(labels: np.ndarray, held_out: np.ndarray) -> float:
    return float(np.mean([roc_auc_score(y, decisions) for y, decisions in zip(labels.T, held_out.T, strict=True)]))


def show(size: Size, seconds: dict[str, list[float]], ours: Fit, projected: Fit, labels: np.ndarray) -> None:
    table = Table(
        "",
        "seconds",
        "fastest",
        "slowest",
        title=f"n = {size.n:,}, D = {size.D:,}: {len(GRID)} regularisers, {FOLDS} folds",
        box=None,
        header_style="bold",
        title_justify="left",
    )
    names = {
        "ours": f"in the span, {size.A} attributes",
        "standardise": "scikit-learn, standardising",
        "one attribute": f"scikit-learn, one attribute (counted {size.A} times)",
    }
    for name, each in seconds.items():
        table.add_row(names[name], *(f"{value:.1f}" for value in (median(each), min(each), max(each))))
    Console(width=110).print(table)
    for name, fit in {"in the span": ours, f"in {COMPONENTS} components": projected}.items():
        chosen = ", ".join(f"{C:g}: {count}" for C, count in zip(*np.unique(fit.C, return_counts=True), strict=True))
        print(f"{name}: AUC {mean_auc(labels, fit.held_out):.4f}, C chosen {chosen}")


if __name__ == "__main__":
    sys.exit(main())
