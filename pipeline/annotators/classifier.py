"""Classifiers of torchvision's and timm's architectures, with the weights and the JSON of a folder, or of a hub repository.

`config.json` names the architecture and describes it (see description.py). That of timm's own, as its `save_for_hf` and the hub's
repositories have it, is read as it is: `pretrained_cfg` says how images are fed to it, `label_names` what its classes are called.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from pipeline.annotators import names
from pipeline.annotators.description import Architecture, described, read
from pipeline.annotators.network import (
    FEATURES,
    NO_VECTOR,
    Network,
    Run,
    check_installed,
    device,
    fill,
    named,
    ready,
    tensors,
    with_features,
)
from pipeline.errors import UserError
from pipeline.formats import hub
from pipeline.formats.hashes import check_unchanged, sha256_of

CONFIG = "config.json"
_KINDS = (".safetensors", ".bin", ".pt", ".pth")  # of weights; the first that is there


@dataclass(frozen=True)
class Classifier(Network):
    """A torchvision or timm classifier."""

    description: Architecture

    why_none: ClassVar[str] = NO_VECTOR

    def running(self, features: bool) -> Run:
        file = weights_in(Path(self.path))
        check_unchanged([file], self.weights)
        network = ready(fill(untrained(self.description, self.path), tensors(file), file))
        call: Callable[[Tensor], Any] = with_features(network, self.path) if features else network

        def run(pixels: Tensor) -> dict[str, Any]:
            with torch.inference_mode():
                return named(call(pixels.to(device())))

        return run


def classifier(folder: str, name: str | None = None, labels: str | None = None) -> Classifier:
    """The classifier of a folder or a hub id. labels: which of its attributes are scored, by commas; all by default.

    Raises UserError for a folder without config.json or weights, and where these do not fit each other.
    """
    found = hub.locate(folder, hub.Sought("classifier", "config.json and weights", "timm/resnet18.a1_in1k", _wanted))
    if not (found.folder / CONFIG).is_file():
        raise UserError(
            f"{found.folder} has no {CONFIG}. Write one that says what its network is and what it scores:\n"
            '{"library": "timm", "architecture": "resnet18", "outputs": [{"means": "logit", "attributes": ["tower", "sky"]}],\n'
            ' "preprocessing": {"size": 224, "resize": "crop", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}}'
        )
    said = description(found.folder / CONFIG).only(labels, folder)
    file = weights_in(found.folder)
    made = Classifier(
        name=name or names.fit(found.folder.name if found.revision is None else found.name.rpartition("/")[2]),
        weights=sha256_of([file]),
        description=replace(said, features=FEATURES),
        path=str(found.folder.absolute()),
    ).tried()
    return made if _has_features(made) else replace(made, description=replace(said, features=None))


def _has_features(made: Classifier) -> bool:
    try:
        made.embedder()(made.grey())
    except UserError:
        return False
    return True


def description(config: Path) -> Architecture:
    """What a config.json says, ours or timm's."""
    held = read(config)
    said = described(_of_timm(held, config) if "pretrained_cfg" in held else held, Architecture, config)
    if not said.architecture:
        raise UserError(
            f'{config} names no architecture; expected one of {said.library}\'s: "architecture": "resnet18".'
        )
    return said


def untrained(said: Architecture, where: str) -> nn.Module:
    """A network without its weights. Raises UserError for an architecture that its library does not have."""
    arguments = {"num_classes": said.width, **dict(said.arguments)}
    if said.library == "timm":
        check_installed("timm", "timm", f"The classifier {where}")
        import timm

        there, make = timm.list_models(), timm.create_model
    else:
        import torchvision

        there, make = torchvision.models.list_models(), torchvision.models.get_model
        arguments["weights"] = None
    if said.architecture.partition(".")[0] not in there:
        alike = ", ".join(get_close_matches(said.architecture, there)) or f"{len(there)} others"
        raise UserError(f"{said.library} has no architecture {said.architecture!r}; it has {alike}.")
    try:
        network: nn.Module = make(said.architecture, **arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{said.library} makes no {said.architecture} of {arguments} ({error}). See {where}."
        ) from error
    return network


def weights_in(folder: Path) -> Path:
    """The one file of weights in a folder: safetensors, or else a pickle."""
    for kind in _KINDS:
        if found := sorted(folder.glob(f"*{kind}")):
            if len(found) > 1:
                listed = ", ".join(each.name for each in found)
                raise UserError(f"{folder} holds {len(found)} files of weights ({listed}). Keep the one that you mean.")
            return found[0]
    raise UserError(f"{folder} holds no weights; expected model.safetensors, the network's state_dict() in a file.")


def _wanted(listed: Iterable[str]) -> list[str]:
    """config.json and the weights at the top of a repository, as pickles where there is nothing better."""
    there = [path for path in listed if "/" not in path]
    kinds = (
        [path for path in there if path in (f"model{kind}", f"pytorch_model{kind}")]
        for kind in (".safetensors", ".bin")
    )
    return [*(path for path in there if path == CONFIG), *next(filter(None, kinds), [])]


def _of_timm(held: dict[str, Any], config: Path) -> dict[str, Any]:
    """What timm's own config.json says, as ours says it."""
    feeding = held["pretrained_cfg"]
    outputs = held.get("outputs") or [{"means": "classes", "attributes": _labels(held, config)}]
    mode, interpolation = feeding.get("crop_mode", "center"), feeding.get("interpolation", "bilinear")
    if mode not in ("center", "squash"):
        raise UserError(f"{config} has the crop_mode {mode!r}, which is not done here; center and squash are.")
    _, height, width = feeding["input_size"]
    share = feeding.get("crop_pct") or 0.875  # timm's own default
    preprocessing = {
        "size": (height, width),
        "resize": "crop" if mode == "center" else "squash",
        "resize_to": math.floor(max(height, width) / share),
        "interpolation": interpolation,
        "mean": feeding["mean"],
        "std": feeding["std"],
    }
    return {
        "library": "timm",
        "architecture": held.get("architecture") or feeding.get("architecture"),
        "arguments": held.get("model_args") or {},
        "outputs": outputs,
        "preprocessing": preprocessing,
        "describes": held.get("describes", ""),
    }


def _labels(held: dict[str, Any], config: Path) -> tuple[str, ...]:
    """The classes' names, made fit; those of ImageNet where there are its thousand and none are given."""
    labels = held.get("label_names") or held["pretrained_cfg"].get("label_names")
    classes = held.get("num_classes") or held["pretrained_cfg"].get("num_classes")
    if labels is None and classes == 1000:
        check_installed("timm", "timm", f"The classifier {config.parent}")
        from timm.data import ImageNetInfo

        known = ImageNetInfo("imagenet-1k")
        labels = [known.index_to_description(index).partition(",")[0] for index in range(1000)]
    if not labels or len(labels) != classes:
        raise UserError(
            f"{config} names {len(labels or ())} of {classes} classes. Write their names into it, in order, as label_names:\n"
            '"label_names": ["tower", "sky"]'
        )
    return names.fit_all(labels)
