"""CLIP as a zero-shot annotator, by pairs of prompts (Radford et al. 2021; Haas et al. 2024, Sec. V c).

The score of an attribute is how much more an image is like its positive prompt than like its negative one: the difference of the
two logits, logit_scale (cos(image, positive) - cos(image, negative)). The probability that is made of it, 1 / (1 + exp(-score)),
saturates; the difference does not. Any network of transformers runs that embeds images and texts into one space, SigLIP, too.
"""

import json
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from pipeline.annotators import names, transformers_files
from pipeline.annotators.base import Scorer
from pipeline.annotators.network import device, ready
from pipeline.errors import UserError
from pipeline.fingerprint import not_hashed
from pipeline.formats.hashes import check_unchanged, sha256_of

PROMPTS = Path(__file__).with_name("table_1.toml")
_READ = re.compile(
    r"preprocessor_config\.json|processor_config\.json|tokenizer(_config)?\.json|vocab\.(json|txt)|merges\.txt|spiece\.model"
    r"|special_tokens_map\.json|added_tokens\.json"
)
Prompt = tuple[str, str, str]  # the attribute, and its positive and negative prompt


@dataclass(frozen=True)
class Clip:
    """Differences of logits between prompts; above 0 an image is more like the positive one."""

    name: str
    weights: str  # sha256 of the files that decide what it computes
    prompts: tuple[Prompt, ...]
    path: str = not_hashed()
    feeding: str = not_hashed("")  # how images are fed to it, in a sentence

    gpus: ClassVar[int] = 1
    version: ClassVar[int] = 1

    @property
    def attributes(self) -> tuple[str, ...]:
        return tuple(name for name, _, _ in self.prompts)

    @property
    def thresholds(self) -> tuple[float, ...]:
        return (0.0,) * len(self.prompts)

    @property
    def describes(self) -> str:
        name, positive, negative = self.prompts[0]
        of = f'{name}: "{positive}" against "{negative}"'
        more = f", and {len(self.prompts) - 1} more" if len(self.prompts) > 1 else ""
        return f"What pairs of prompts tell by CLIP ({of}{more}). {self.feeding}"

    def load(self) -> Scorer:
        from transformers import AutoTokenizer

        network, embed = self._embedding()
        tokenizer = transformers_files.helper(AutoTokenizer, Path(self.path))
        positive, negative = (
            _of_texts(network, tokenizer, tuple(each[side] for each in self.prompts), self.path) for side in (1, 2)
        )
        along = (network.logit_scale.exp() * (positive - negative)).T  # the text prompts are embedded once

        def score(images: np.ndarray) -> np.ndarray:
            if not len(images):
                return np.empty((0, len(self.prompts)), np.float32)
            with torch.inference_mode():
                return (embed(images) @ along).cpu().numpy()

        return score

    def embedder(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return the function from images (B, H, W, 3) uint8 to CLIP's image features, unit vectors (B, F) float32."""
        _, embed = self._embedding()
        return lambda images: embed(images).cpu().numpy()

    def _embedding(self) -> tuple[Any, Callable[[np.ndarray], Tensor]]:
        """The network, and what makes unit vectors (B, F) of images with it."""
        from transformers import AutoImageProcessor, AutoModel

        folder = Path(self.path)
        check_unchanged(transformers_files.decisive(folder, _READ), self.weights)
        process = transformers_files.helper(AutoImageProcessor, folder)
        network: Any = ready(transformers_files.loaded(AutoModel, folder))

        @torch.inference_mode()
        def embed(images: np.ndarray) -> Tensor:
            given = transformers_files.fed(images)
            pixels = process(images=given, return_tensors="pt", input_data_format="channels_first")["pixel_values"]
            return normalize(_vectors(network.get_image_features(pixel_values=pixels.to(device()))), dim=-1)

        return network, embed


def clip(folder: str, prompts: Path | None = None, name: str | None = None, labels: str | None = None) -> Clip:
    """CLIP from a folder or a hub id, openai/clip-vit-base-patch32 for one.

    prompts: a TOML or JSON file of attributes, each with its positive and its negative prompt; by default those of Haas et al.
    labels: which of the attributes are scored, by commas; all by default.
    Raises UserError for files that are missing, a network that does not embed texts, and prompts that cannot be read.
    """
    place = transformers_files.located(folder, "CLIP", "openai/clip-vit-base-patch32", _READ)
    for file in ("preprocessor_config.json", "tokenizer_config.json"):
        if not (place.folder / file).is_file():
            raise UserError(
                f"{place.folder} has no {file}; expected the network, its image processor and its tokenizer."
            )
    return Clip(
        name=name or names.fit(Path(place.name).name),
        weights=sha256_of(transformers_files.decisive(place.folder, _READ)),
        prompts=_only(read_prompts(prompts or PROMPTS), labels, prompts or PROMPTS),
        path=str(place.folder.absolute()),
        feeding=transformers_files.resizing(place.folder),
    )


def read_prompts(path: Path) -> tuple[Prompt, ...]:
    """The pairs of prompts in a file. Raises UserError for anything else in it."""
    try:
        text = path.expanduser().read_text()
        held = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as prompts ({error}); expected TOML or JSON. {_EXAMPLE}") from error
    pairs = held.items() if isinstance(held, dict) else ()
    odd = [name for name, pair in pairs if not _is_pair(pair)]
    if odd or not pairs:
        found = f"under {odd[0]!r} is {held[odd[0]]!r}" if odd else "there are none"
        raise UserError(f"{path} holds no pairs of prompts: {found}. {_EXAMPLE}")
    return tuple((name, positive, negative) for name, (positive, negative) in pairs)


_EXAMPLE = (
    'Expected for each attribute its positive and its negative prompt:\ntower = ["A church with a tower", "A church"]'
)


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(each, str) and each.strip() for each in pair)


def _only(prompts: tuple[Prompt, ...], labels: str | None, where: Path) -> tuple[Prompt, ...]:
    if labels is None:
        return prompts
    wanted = names.chosen(labels, [name for name, _, _ in prompts], where)
    return tuple(each for each in prompts if each[0] in wanted)


@torch.inference_mode()
def _of_texts(network: Any, tokenizer: Any, texts: tuple[str, ...], where: str) -> Tensor:
    """Unit vectors (n, F) of texts. Raises UserError for one that is too long."""
    longest = network.config.text_config.max_position_embeddings
    if long := [text for text in texts if len(tokenizer(text).input_ids) > longest]:
        raise UserError(
            f"The prompt {long[0]!r} is longer than the {longest} tokens that {where} reads. Make it shorter."
        )
    tokens = tokenizer(list(texts), padding="max_length", max_length=longest, return_tensors="pt").to(device())
    return normalize(_vectors(network.get_text_features(**tokens)), dim=-1)


def _vectors(found: Any) -> Tensor:
    """Features (B, F), which newer releases of transformers wrap."""
    vectors: Tensor = found if isinstance(found, Tensor) else found.pooler_output
    return vectors
