"""Attribute heads: linear scores on another network's features, as `python -m jobs.train_heads` makes them: `heads:FOLDER`.

The folder holds heads.json (who embeds, what is scored, and how well on images held out), heads.safetensors (the numbers) and
reference.safetensors (features of some images that it was trained on, to tell what it has seen).
"""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from safetensors.numpy import load_file

from pipeline.annotators import base
from pipeline.annotators.base import Embedder, Scorer
from pipeline.annotators.border import embedding
from pipeline.annotators.familiarity import REFERENCE, Reference, read_reference
from pipeline.annotators.names import fit
from pipeline.annotators.registry import embedder as embedder_of
from pipeline.errors import UserError
from pipeline.estimators.heads import Heads
from pipeline.fingerprint import fingerprint, not_hashed, settings
from pipeline.formats.hashes import changed, sha256_of

TOLD = "heads.json"
NUMBERS = "heads.safetensors"


@dataclass(frozen=True)
class AttributeHeads:
    """Log odds of what it was trained to tell, as if as many images had it as not; of measures, the measure. `heads` makes one."""

    name: str
    attributes: tuple[str, ...]
    thresholds: tuple[float, ...]
    features: Embedder
    weights: str  # sha256 of what the folder holds, but for where the embedder lies
    path: str = not_hashed()

    version: ClassVar[int] = 1

    @property
    def describes(self) -> str:
        return f"{', '.join(self.attributes)}: linear heads on the features of {self.features.name}."

    @property
    def gpus(self) -> int:
        return base.gpus_of(self.features)

    def check(self, height: int, width: int) -> None:
        """Raise UserError for images that the embedder cannot read."""
        base.check_size(height, width, self.features)

    def load(self) -> Scorer:
        if _missing(Path(self.path)) or _weights(Path(self.path)) != self.weights:
            raise changed(self.path)
        read = Heads(**load_file(Path(self.path) / NUMBERS))
        embed = self.embedder()

        def score(images: np.ndarray) -> np.ndarray:
            base.check_images(images)
            return read(embed(images)).astype(np.float32) if len(images) else np.empty((0, len(self.attributes)))

        return score

    def embedder(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return the function from images to the features that the scores are read from."""
        return embedding(self.features)

    def reference(self) -> Reference | None:
        """Features of images that it was trained on."""
        return read_reference(Path(self.path))


def heads(folder: str, name: str | None = None, embedder: str | None = None) -> AttributeHeads:
    """The heads in a folder. embedder: by what spec their embedder is found now, where it lies elsewhere than in training.

    Raises UserError for a folder that holds none, and for features by another embedder than they were trained on.
    """
    path = Path(folder).expanduser()
    if missing := _missing(path):
        raise UserError(f"{folder} holds no {missing[0]}; expected a folder that `python -m jobs.train_heads` wrote.")
    told = _told(path / TOLD)
    features = embedder_of(embedder or told["embedder"])
    if identity(features) != told["embedder_identity"]:
        raise UserError(
            f"{folder} has heads on the features of {told['embedder']}, as it was when they were trained; what is there now is "
            "another,\nby its weights or settings, and its features mean something else. Bring the same back, or train again."
        )
    return AttributeHeads(
        name or fit(path.absolute().name, "heads"),
        tuple(each["attribute"] for each in told["heads"]),
        tuple(0.0 if each["binary"] else math.nan for each in told["heads"]),
        features,
        _weights(path),
        str(path.absolute()),
    )


def identity(embedder: Embedder) -> str:
    """What recognises an embedder: its settings and weights, and neither where they lie nor what it is called."""
    if isinstance(embedder, AttributeHeads):
        return identity(embedder.features)
    return fingerprint({key: each for key, each in settings(embedder).items() if key != "name"})


def _missing(folder: Path) -> list[str]:
    return [name for name in (TOLD, NUMBERS, REFERENCE) if not (folder / name).is_file()]


def _weights(folder: Path) -> str:
    """The SHA-256 of what decides the scores and what is said of them; where the embedder lies does not."""
    said = json.dumps({key: each for key, each in _told(folder / TOLD).items() if key != "embedder"}, sort_keys=True)
    return hashlib.sha256((said + sha256_of([folder / NUMBERS, folder / REFERENCE])).encode()).hexdigest()


def _told(file: Path) -> dict[str, Any]:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        return {key: told[key] for key in ("embedder", "embedder_identity", "heads")}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{file} is not what `python -m jobs.train_heads` writes ({type(error).__name__}: {error})."
        ) from error
