"""FaceNet: embeddings of faces (Schroff et al. 2015) by facenet-pytorch's InceptionResnetV1, to tell who is who.

It is an embedder, not an annotator: it scores no attributes. Its weights are a download that facenet-pytorch offers; they are read
from a local file.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from facenet_pytorch import InceptionResnetV1
from safetensors.torch import load_file
from torch import Tensor

from pipeline.annotators.base import resize, to_tensor
from pipeline.annotators.network import check_unpickler
from pipeline.errors import UserError
from pipeline.fingerprint import not_hashed
from pipeline.formats.hashes import check_unchanged, sha256_of

SIZE = 160  # pixels


@dataclass(frozen=True)
class FaceNet:
    """Unit vectors of 512 features. The whole image is looked at: faces should fill it, as in aligned sets."""

    name: ClassVar[str] = "facenet"

    weights: str  # sha256 of the file
    path: str = not_hashed()

    def embedder(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return the function from images (B, H, W, 3) uint8 to unit features (B, 512) float32."""
        check_unchanged([Path(self.path)], self.weights)
        network = _load(Path(self.path))

        @torch.inference_mode()
        def embed(images: np.ndarray) -> np.ndarray:
            return network((resize(to_tensor(images), SIZE, SIZE) - 127.5) / 128).numpy()

        return embed


def facenet(path: str | Path) -> FaceNet:
    """FaceNet with the weights in a file: facenet-pytorch's .pt, or .safetensors. Raises UserError for anything else."""
    if not Path(path).is_file():
        raise UserError(f"There are no FaceNet weights {path}; expected facenet-pytorch's .pt, or .safetensors.")
    _load(Path(path))
    return FaceNet(sha256_of([Path(path)]), str(Path(path).absolute()))


def _load(path: Path) -> InceptionResnetV1:
    network = InceptionResnetV1(pretrained=None, classify=False)
    state = {name: value for name, value in _read(path).items() if not name.startswith("logits.")}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        found = ", ".join(list(state)[:3]) or "nothing"
        raise UserError(
            f"{path} holds other weights than InceptionResnetV1's: it begins with {found}.\n"
            "Expected the file that facenet-pytorch downloads (vggface2 or casia-webface)."
        ) from error
    return network.eval().requires_grad_(False)


def _read(path: Path) -> dict[str, Tensor]:
    """Tensors by name. A pickle is read as tensors alone: nothing in it is run."""
    if path.suffix != ".safetensors":
        check_unpickler(path)
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # whatever an unpickler stumbles over in bytes that are no pickle
        raise UserError(
            f"{path} cannot be read as weights ({type(error).__name__}): expected tensors alone."
        ) from error
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise UserError(f"{path} holds no tensors by name, as a state_dict does. Expected facenet-pytorch's file.")
    return state
