"""Image classifiers of Hugging Face's transformers: a folder, or a repository of the hub at a commit.

Its own image processor feeds it, as preprocessor_config.json says; id2label in config.json names its classes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.annotators import names, transformers_files
from pipeline.annotators.description import Description, Meaning, Output, read
from pipeline.annotators.network import FEATURES, Network, Run, device, named, ready, with_features
from pipeline.errors import UserError
from pipeline.formats.hashes import check_unchanged, sha256_of

_READ = re.compile(
    r"preprocessor_config\.json|processor_config\.json"
)  # the second wins where it has an image processor
_MEANINGS: dict[Any, Meaning] = {
    "multi_label_classification": "logit",
    "regression": "value",
    "single_label_classification": "classes",
}


@dataclass(frozen=True)
class HuggingFace(Network):
    """An image classifier of transformers."""

    @property
    def describes(self) -> str:
        return self.description.describes

    def fed(self, images: np.ndarray) -> Tensor:
        return transformers_files.fed(images)

    def running(self, features: bool) -> Run:
        from transformers import AutoImageProcessor, AutoModelForImageClassification

        folder = Path(self.path)
        check_unchanged(transformers_files.decisive(folder, _READ), self.weights)
        process = transformers_files.helper(AutoImageProcessor, folder)
        network = ready(transformers_files.loaded(AutoModelForImageClassification, folder))
        last: Callable[[Tensor], Any] = with_features(network, self.path) if features else network

        def run(images: Tensor) -> dict[str, np.ndarray]:
            pixels = process(images=images, return_tensors="pt", input_data_format="channels_first")["pixel_values"]
            with torch.inference_mode():
                return named(last(pixels.to(device())))

        return run


def huggingface(folder: str, name: str | None = None, labels: str | None = None) -> HuggingFace:
    """The image classifier of a folder or a hub id. labels: which of its classes are scored, by commas; all by default.

    Raises UserError for a folder without its files, and for one that is no image classifier.
    """
    place = transformers_files.located(folder, "classifier", "google/vit-base-patch16-224", _READ)
    if not (place.folder / "preprocessor_config.json").is_file():
        raise UserError(
            f"{place.folder} has no preprocessor_config.json, which says how images are fed to it. Copy it, too."
        )
    words = f"What the image classifier {Path(place.name).name} says. {transformers_files.resizing(place.folder)}"
    said = Description((_output(place.folder / "config.json"),), features=FEATURES, describes=words).only(
        labels, folder
    )
    return HuggingFace(
        name=name or names.fit(Path(place.name).name),
        weights=sha256_of(transformers_files.decisive(place.folder, _READ)),
        description=said,
        path=str(place.folder.absolute()),
    )


def _output(config: Path) -> Output:
    """What a classifier's config.json says of its logits."""
    held = read(config)
    kinds = held.get("architectures") or []
    if kinds and not any(kind.endswith("ForImageClassification") for kind in kinds):
        raise UserError(f"{config} is of {', '.join(kinds)}, which is no image classifier of transformers.")
    by_index = held.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}  # what transformers writes nothing for
    labels = [str(by_index[key]) for key in sorted(by_index, key=int)]
    alone: Meaning = "value" if len(labels) == 1 else "classes"
    return Output(names.fit_all(labels), _MEANINGS.get(held.get("problem_type"), alone), output="logits")
