"""What all annotators that are networks have in common: eval mode, no gradients, a GPU where there is one, tensors alone.

A kind of them says how its network runs; what its outputs mean and how images are fed to it is a `Description`.
"""

import math
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.annotators.base import Scorer, check_images, full_batch
from pipeline.annotators.description import Description, Raw
from pipeline.errors import UserError
from pipeline.fingerprint import not_hashed

Run = Callable[[Tensor], Raw]  # images as the network reads them -> its outputs by name
NO_VECTOR = "It does not end in a linear layer that reads one vector an image. Compare images by another network."
FEATURES = "features"  # what penultimate features are called among outputs

# Of before, pickles are known that get out of torch's restricted unpickler: CVE-2025-32434 and CVE-2026-24747.
_SAFE_SINCE = (2, 10)


@dataclass(frozen=True)
class Network:
    """An annotator that is a network, and an embedder where the network offers features. It scores what its JSON says."""

    name: str
    weights: str  # sha256 of the files that decide what it computes
    description: Description
    path: str = not_hashed()

    gpus: ClassVar[int] = 1
    version: ClassVar[int] = 1
    why_none: ClassVar[str] = (
        'Where one of its outputs is such, name it in its JSON: "features": "the name of the output".'
    )

    @property
    def attributes(self) -> tuple[str, ...]:
        return self.description.attributes

    @property
    def thresholds(self) -> tuple[float, ...]:
        """One NaN is as good as another: annotators that are alike are equal, also those that have travelled."""
        return tuple(math.nan if math.isnan(each) else each for each in self.description.thresholds)

    @property
    def embeds(self) -> bool:
        return self.description.features is not None

    @property
    def describes(self) -> str:
        said = self.description.describes or f"What the network {Path(self.path).name} says."
        return f"{said.rstrip('.')}. {self.description.preprocessing.says}"

    def tried(self) -> Self:
        """Itself, once it has scored a grey image. Raises UserError where what the network gives is not what is said of it."""
        if self.description.preprocessing.size is None:
            return self
        grey = self.grey()
        score, given = self.load(), list(self.fed(grey).shape)
        try:
            score(grey)
        except UserError:
            raise
        except Exception as error:  # of whatever runs it
            raise UserError(
                f"{self.path} does not run on images as its JSON feeds them, {given} of {self.description.preprocessing.layout}:\n"
                f"{str(error).strip()[:600] or type(error).__name__}"
            ) from error
        return self

    def grey(self) -> np.ndarray:
        """A grey image (1, H, W, 3) uint8 of the size that the network reads."""
        feeding = self.description.preprocessing
        return np.full((1, *(feeding.wanted if feeding.size else (64, 64)), 3), 128, np.uint8)

    def fed(self, images: np.ndarray) -> Tensor:
        """Images (B, H, W, 3) uint8 as `running` reads them."""
        return self.description.preprocessing(images)

    def running(self, features: bool) -> Run:
        """Load the network. features: its outputs have, under the name that the description gives, what images are compared by."""
        raise NotImplementedError(f"{type(self).__name__} does not say how its network runs")

    def load(self) -> Scorer:
        run, said = self.running(features=False), self.description

        def score(images: np.ndarray) -> np.ndarray:
            check_images(images)
            if not len(images):
                return np.empty((0, len(said.attributes)), np.float32)
            return said.scores(run(self.fed(images)), self.path)

        return score

    def embedder(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return the function from images (B, H, W, 3) uint8 to features (B, F). Raises UserError where there are none."""
        if self.description.features is None:
            raise UserError(f"{self.path} offers no features to compare images by.\n{self.why_none}")
        run, said = self.running(features=True), self.description

        def embed(images: np.ndarray) -> np.ndarray:
            found = said.of(run(self.fed(images)), said.features, self.path)
            return found.reshape(len(found), -1).astype(np.float32)

        return embed


def device() -> str:
    """Where networks run."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def ready(network: nn.Module) -> nn.Module:
    """A network as it scores, however it was handed over: in eval mode, without gradients, on the GPU where there is one."""
    return network.to(device()).eval().requires_grad_(False)


def named(outputs: Any) -> Raw:
    """What a network returned, by name: a tensor, several in order ("0", "1", ...), or several by their names."""
    if isinstance(outputs, Tensor):
        return {"0": outputs.detach().float().cpu().numpy()}
    pairs = outputs.items() if isinstance(outputs, Mapping) else ((str(i), each) for i, each in enumerate(outputs))
    return {str(name): each.detach().float().cpu().numpy() for name, each in pairs if isinstance(each, Tensor)}


def in_batches(run: Run, size: int | None) -> Run:
    """The same, of a network that takes batches of one size alone; None takes any."""
    if size is None:
        return run

    def in_turn(images: Tensor) -> Raw:
        starts = range(0, len(images), size)
        found = [run(torch.from_numpy(full_batch(images[start : start + size].numpy(), size))) for start in starts]
        return {name: np.concatenate([each[name] for each in found])[: len(images)] for name in found[0]}

    return in_turn


def with_features(network: nn.Module, where: str) -> Callable[[Tensor], Any]:
    """Call a classifier, and give what its last linear layer reads: its penultimate features (B, F).

    Raises UserError for a network that ends otherwise.
    """
    linear = [each for each in network.modules() if isinstance(each, nn.Linear)]
    read: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        read[:] = inputs[:1]

    if linear:
        linear[-1].register_forward_pre_hook(keep)

    def features(pixels: Tensor) -> Any:
        read.clear()
        network(pixels)
        if not read or read[0].ndim != 2:
            raise UserError(f"{where} offers no features to compare images by.\n{NO_VECTOR}")
        return {FEATURES: read[0]}

    return features


def tensors(path: Path) -> dict[str, Tensor]:
    """The tensors in a file by name. A pickle is read as tensors alone: nothing in it is run. Raises UserError for what is not."""
    try:
        held = load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} cannot be read as safetensors ({error}): half a file? Copy it again.") from error
    if isinstance(held, dict) and held.keys() == {"state_dict"}:
        held = held["state_dict"]
    if not isinstance(held, dict) or not held or not all(isinstance(each, Tensor) for each in held.values()):
        raise UserError(
            f"{path} holds no tensors by name, as a state_dict does. Save the network's state_dict() alone."
        )
    return {str(name).removeprefix("module."): each for name, each in held.items()}


def check_unpickler(path: Path) -> None:
    """Raise UserError for a torch out of whose restricted unpickler pickles are known to get."""
    if tuple(int(number) for number in re.findall(r"\d+", torch.__version__)[:2]) < _SAFE_SINCE:
        raise UserError(
            f"{path} is a pickle, and torch {torch.__version__} does not read those safely. Install torch 2.10 or newer,\n"
            "or save the network's state_dict() as safetensors."
        )


def _unpickled(path: Path) -> Any:
    check_unpickler(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # of what is refused anyway
            return torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # whatever an unpickler stumbles over
        raise UserError(
            f"{path} cannot be read as tensors alone ({type(error).__name__}), and nothing else in it is run.\n"
            "Save the network's state_dict() alone, as safetensors."
        ) from error


def fill(network: nn.Module, held: Mapping[str, Tensor], where: object) -> nn.Module:
    """Put tensors into a network. Raises UserError, which names some, where names or shapes are not the network's."""
    expected = {name: tuple(each.shape) for name, each in network.state_dict().items()}
    lacking, unknown = sorted(expected.keys() - held.keys()), sorted(held.keys() - expected.keys())
    if lacking or unknown:
        lacks = f"lacks {len(lacking)} tensors, {lacking[0]} first" if lacking else ""
        has = f"has {len(unknown)} that the network has not, {unknown[0]} first" if unknown else ""
        raise UserError(
            f"{where} holds another network's weights: it {' and '.join(filter(None, (lacks, has)))}.\n"
            "Check the architecture in the JSON, and how many outputs it names."
        )
    if other := [name for name, shape in expected.items() if tuple(held[name].shape) != shape]:
        raise UserError(
            f"{where}: {other[0]} has the shape {tuple(held[other[0]].shape)}; this architecture makes it {expected[other[0]]}.\n"
            "Check the architecture in the JSON, and how many outputs it names."
        )
    if odd := [name for name, each in held.items() if each.is_floating_point() and not each.isfinite().all()]:
        raise UserError(f"{where}: {odd[0]} holds NaN or infinity. The file is damaged, or training diverged.")
    network.load_state_dict(dict(held))
    return network


def check_installed(module: str, extra: str, what: str) -> None:
    """Raise UserError, with the line that installs it, where a library is not there that something needs."""
    if find_spec(module) is None:
        raise UserError(
            f"{what} needs {module}, which is not installed here.\n"
            f"pip install 'hspace-directions[{extra}]', or: pip install {module}"
        )
