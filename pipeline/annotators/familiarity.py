"""Whether an annotator is at home in images: how far their features are from those of images that it was trained on.

A network says something of any image, and two that were trained alike agree where both are lost. What can be seen without truth is
whether the images look, to the network itself, like what it has seen. The measure is the distance to the `NEIGHBOUR`-th nearest
of some training images, in features standardised by these. What is normal is said by the training images among themselves: each
one's distance from the others, and of these distances the 99th percentile is the `limit`. One in a hundred images of the same kind
is farther; where more than half of the samples are (`STRANGE`), the annotator has seen nothing like them. Of what the bundled
models generate up to .39 are; of photographs, noise, and drawings of other kinds or upside down .78 to all.

What differs a little does not show so: of drawings made grey .35 are strange, where what is told by colour falls from a correlation
of .98 with the truth to .55. There the two that score disagree (.70): where both know what they see, they agree by .95 and more.
Two that score one attribute and agree on it by less than `AGREED` are said.

A person's own annotator has no such images, and nothing is said of it.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from pipeline.annotators.base import Embedder
from pipeline.formats.arrays import write_arrays

REFERENCE = "reference.safetensors"
KEPT = 600  # features of training images
NEIGHBOUR = 5
USUAL = 0.99  # share of the training images that are nearer than the limit
STRANGE = 0.5  # share of samples beyond the limit, above which they are strangers
PRESENT = 0.5  # share of samples with what is scored at all, below which it is said
SATURATED = 0.95  # share of samples with one and the same score, from which on it is said
AGREED = 0.8  # correlation of two who score one attribute, below which it is said
FEWEST = 20  # samples, below which nothing is said
CHUNK = 256  # samples at a time
LARGEST = float(np.finfo(np.float16).max)

Array = NDArray[np.floating]


@runtime_checkable
class WithReference(Embedder, Protocol):
    """An annotator that knows what it was trained on, in its own features."""

    def reference(self) -> "Reference | None": ...


@dataclass(frozen=True, eq=False)
class Reference:
    """Features of images that an annotator was trained on, float16: (m, F)."""

    features: NDArray[np.float16]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.features.tobytes()).hexdigest()

    @property
    def limit(self) -> float:
        """The distance that 99 of 100 training images are nearer to the others than."""
        return float(np.quantile(_nearest(self._own, self._own, NEIGHBOUR + 1), USUAL))  # the first is itself

    def distances(self, features: Array) -> Array:
        """Return how far features (n, F) are from the training images: (n,), in standard deviations of one feature."""
        return _nearest(self._standardised(features), self._own, NEIGHBOUR)

    def strange(self, features: Array) -> float:
        """The share of features (n, F) that are farther than the limit: .01 where they are of the same kind."""
        return float((self.distances(features) > self.limit).mean())

    @property
    def _own(self) -> Array:
        return self._standardised(self.features)

    def _standardised(self, features: Array) -> Array:
        own = self.features.astype(np.float64)
        spread = own.std(axis=0)
        varies = spread > 1e-3 * spread.max(initial=0)
        return (features.astype(np.float64) - own.mean(axis=0))[:, varies] / spread[varies] / np.sqrt(varies.sum())


def _nearest(features: Array, own: Array, k: int) -> Array:
    """Distances of rows (n, F) to the k-th nearest of others (m, F)."""
    k = min(k, len(own))
    found = [
        np.partition(_squared(features[at : at + CHUNK], own), k - 1, axis=1)[:, k - 1]
        for at in range(0, len(features), CHUNK)
    ]
    return np.sqrt(np.concatenate(found))


def _squared(rows: Array, own: Array) -> Array:
    lengths = (rows**2).sum(1)[:, None] + (own**2).sum(1)
    return np.maximum(lengths - 2 * rows @ own.T, 0)


def write_reference(folder: Path, features: Array) -> None:
    """Keep some features (m, F), spread evenly over all that are given, beside an annotator's weights."""
    rows = np.linspace(0, len(features) - 1, min(KEPT, len(features))).round().astype(int)
    write_arrays(folder / REFERENCE, {"features": np.clip(features[rows], -LARGEST, LARGEST).astype(np.float16)})


def read_reference(folder: Path) -> Reference | None:
    """What `write_reference` kept; None where there is none."""
    path = folder / REFERENCE
    return Reference(load_file(path)["features"]) if path.is_file() else None


class Figures(NamedTuple):
    """What an annotator's scores of samples say of themselves."""

    present: float | None  # share with what it scores at all; None where it says of no image whether it shows that
    alike: float | None  # the largest share with one score of an attribute, to three decimals
    alike_attribute: str | None

    @classmethod
    def of(cls, scores: Array, names: Sequence[str], presence: str | None, thresholds: Sequence[float]) -> "Figures":
        """scores (n, A), NaN where missing."""
        columns = dict(zip(names, scores.T, strict=True))
        border = dict(zip(names, thresholds, strict=True))
        present = None
        if presence and not np.isnan(border[presence]):
            present = float((columns[presence] > border[presence]).mean())
        there = {name: each[~np.isnan(each)] for name, each in columns.items() if name != presence}
        shares = {name: _commonest(each) for name, each in there.items() if len(each) >= FEWEST}
        most = max(shares, key=lambda name: shares[name], default=None)
        return cls(present, shares[most] if most else None, most)


def _commonest(scores: Array) -> float:
    _, counts = np.unique(np.round(scores.astype(np.float64), 3), return_counts=True)
    return float(counts.max() / len(scores))


def note(
    annotator: str,
    n: int,
    strange: float | None,
    present: float | None,
    alike: float | None,
    alike_attribute: str | None,
    agrees_with: str | None = None,
    agreement: float | None = None,
    agreement_attribute: str | None = None,
    agreements: object = None,  # of each attribute: no reason for doubt on its own
) -> Iterator[str]:
    """Yield in sentences why an annotator may be lost in n samples; nothing where it is not, or too few were looked at."""
    if n < FEWEST:
        return
    if strange is not None and strange > STRANGE:
        yield (
            f"{annotator!r} is not at home in these images: {strange:.0%} of {n:,} are farther from what it was trained on than "
            f"{USUAL:.0%} of that is from the rest. What it says of them may mean little, whoever agrees with it."
        )
    if present is not None and present < PRESENT:
        yield f"{annotator!r} finds what it scores in {present:.0%} of {n:,} images: of the rest it can say little."
    if alike is not None and alike >= SATURATED:
        yield f"{annotator!r} gives {alike:.0%} of {n:,} images the same score of {alike_attribute}: it tells nothing apart there."
    if agreement is not None and agreement < AGREED:
        yield (
            f"{annotator!r} and {agrees_with!r} agree on {agreement_attribute} by r = {agreement:.2f} at most in {n:,} images: "
            "one of them, or both, tells it badly there."
        )
