"""Find and load a diffusion model: a U-Net and its scheduler, from a folder or a hub, safetensors only.

Two layouts are read, both made by diffusers' `save_pretrained`: a pipeline (`unet/`, `scheduler/`), and a bare model with
everything at the top.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DModel
from huggingface_hub import snapshot_download
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pipeline import hspace
from pipeline.denoiser import Denoiser
from pipeline.diffusion import from_uint8, to_uint8
from pipeline.errors import UserError
from pipeline.hspace import CapturePoint
from pipeline.stage import not_hashed
from pipeline.store import sha256

BUNDLED = Path(__file__).parent / "portraits" / "model"

_WEIGHTS = "diffusion_pytorch_model"
_PATTERNS = [f"{folder}{name}" for folder in ("", "unet/", "scheduler/") for name in ("*.json", "*.safetensors")]

# Attention as diffusers named it until 2023, google/ddpm-celebahq-256 among others; it renames them at loading.
_RENAMED = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


@dataclass(frozen=True)
class Model:
    """A model as it was found: what identifies it is hashed, where it lies is not. `find` makes one."""

    weights: str  # SHA-256 of the U-Net's safetensors
    unet: str  # its configuration, as JSON
    scheduler: str  # the scheduler's configuration, as JSON
    name: str = not_hashed()  # folder or hub id, as the user gave it
    folder: str = not_hashed()  # where the files lie on this machine
    revision: str | None = not_hashed(None)  # commit of the hub repository

    @property
    def x_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of x_t."""
        config = json.loads(self.unet)
        return config["in_channels"], config["sample_size"], config["sample_size"]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        return self.x_shape

    def h_shape(self, point: CapturePoint = "after") -> tuple[int, int, int]:
        """(C, H, W) of h, found by one pass of a copy without weights."""
        return hspace.h_shape(_from_config(json.loads(self.unet)), point)

    def load(self, point: CapturePoint = "after", dtype: str = "float32", compiled: bool = False) -> "LoadedModel":
        """Ready to run, on a GPU where there is one. The weights stay float32; `dtype` is that of autocast."""
        unet = self._load_unet()
        if compiled:
            for block in (*unet.down_blocks, *unet.up_blocks):  # around the mid block, whose hooks would break the graph
                block.compile()
        return LoadedModel(Denoiser(unet, point, dtype=getattr(torch, dtype)))

    def _load_unet(self) -> UNet2DModel:
        """The U-Net in float32, channels last (a third faster on most CPUs)."""
        weights = _weights(Path(self.folder))
        if sha256(weights) != self.weights:
            raise UserError(f"{weights} has changed since it was first read. Start the job again.")
        variant = weights.stem.removeprefix(_WEIGHTS).lstrip(".") or None  # such as fp16
        unet = UNet2DModel.from_pretrained(
            weights.parent, use_safetensors=True, variant=variant, torch_dtype=torch.float32
        )
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return unet.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)

    def ddim(self, clip: bool | None = None) -> DDIMScheduler:
        """Eq. 2's scheduler with the model's own betas, prediction type and spacing; `clip` overrides `clip_sample`."""
        overrides = {} if clip is None else {"clip_sample": clip}
        return _ddim(json.loads(self.scheduler), **overrides)


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory: the U-Net, and the way between images and what the U-Net works on."""

    denoiser: Denoiser

    @torch.inference_mode()
    def to_images(self, x_0: Tensor) -> np.ndarray:
        """x_0 (B, channels, height, width) -> (B, H, W, 3) uint8 RGB."""
        return to_uint8(x_0).cpu().numpy()

    @torch.inference_mode()
    def from_images(self, images: np.ndarray) -> Tensor:
        """(B, H, W, 3) uint8 RGB, of the model's size -> x_0 (B, channels, height, width) float32."""
        return from_uint8(torch.from_numpy(images)).to(self.denoiser.device)


def find(name: str, revision: str | None = None) -> Model:
    """Find a model by folder or hub id and read what identifies it; the weights are checked but not loaded.

    Raises UserError for a folder that is missing or incomplete, weights that are pickled, damaged, or of other shapes than the
    configuration says, and for models without an h-space.
    """
    folder = Path(name)
    if not folder.is_dir():
        folder = _download(name, revision)
        revision = folder.name  # the hub's cache keeps a commit in a folder of its name
    config = _read_json(_unet_folder(folder) / "config.json", "the U-Net's configuration")
    if config.get("_class_name") != "UNet2DModel":
        raise UserError(
            f"{folder} holds a {config.get('_class_name')}; expected an unconditional UNet2DModel of diffusers."
        )
    scheduler = folder / "scheduler" if (folder / "scheduler").is_dir() else folder
    scheduler_config = _read_json(scheduler / "scheduler_config.json", "the scheduler's configuration")
    _ddim(scheduler_config)

    weights = _weights(folder)
    _check_weights(weights, config)
    kept = {key: value for key, value in sorted(config.items()) if not key.startswith("_")}
    return Model(
        weights=sha256(weights),
        unet=json.dumps(kept, sort_keys=True),
        scheduler=json.dumps(_without_version(scheduler_config), sort_keys=True),
        name="bundled portraits" if folder == BUNDLED else name,
        folder=str(folder.absolute()),
        revision=revision,
    )


def _download(name: str, revision: str | None) -> Path:
    """A hub repository's U-Net and scheduler, from the local cache where they are there. HF_HUB_OFFLINE is respected."""
    if name.count("/") != 1 or name.startswith((".", "/")):
        raise UserError(
            f"There is no model folder {name}.\n"
            "Expected a folder with unet/ and scheduler/, as save_pretrained writes, or a hub id such as google/ddpm-celebahq-256."
        )
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=_PATTERNS))
    except Exception as error:  # the hub's client raises a dozen kinds; all mean that the model cannot be had
        raise UserError(
            f"{name} is no folder here, and the hub did not give it: {type(error).__name__}.\n"
            "Check the name and the network, or give the path of a folder with unet/ and scheduler/."
        ) from error


def _unet_folder(folder: Path) -> Path:
    return folder / "unet" if (folder / "unet").is_dir() else folder


def _weights(folder: Path) -> Path:
    """The one safetensors file of the U-Net. A pickle can run code when it is read, so none is."""
    unet = _unet_folder(folder)
    plain = unet / f"{_WEIGHTS}.safetensors"
    found = [plain] if plain.exists() else sorted(unet.glob(f"{_WEIGHTS}*.safetensors"))
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"{unet} holds {len(found)} weight files; expected one. Keep the variant that you mean.")
    pickled = [
        path.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl") for path in sorted(unet.glob(pattern))
    ]
    if pickled:
        raise UserError(
            f"{unet} holds its weights only as a pickle ({pickled[0]}), which can run code when it is read.\n"
            "Load it where you trust it and write safetensors: "
            "UNet2DModel.from_pretrained(folder, use_safetensors=False).save_pretrained(folder)"
        )
    raise UserError(
        f"{unet} holds no weights; expected diffusion_pytorch_model.safetensors, as save_pretrained writes it."
    )


def _read_json(path: Path, what: str) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: {what}. Copy the whole folder that save_pretrained wrote.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON ({error}). Copy the whole folder again.") from error
    if not isinstance(read, dict):
        raise UserError(f"{path} holds a {type(read).__name__}; expected {what}. Copy the whole folder again.")
    return read


def _check_weights(path: Path, config: dict[str, Any]) -> None:
    """Names and shapes in the file against those of the configured U-Net, without reading the numbers."""
    try:
        with safe_open(path, "pt") as file:
            found = {_renamed(key): tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} cannot be read as safetensors ({error}): half a file? Copy it again.") from error
    expected = {key: tuple(tensor.shape) for key, tensor in _from_config(config).state_dict().items()}
    if missing := sorted(expected.keys() - found.keys()):
        raise UserError(f"{path} lacks {len(missing)} of {len(expected)} tensors, {missing[0]} first. Copy it again.")
    for key, shape in expected.items():
        if found[key] != shape:
            raise UserError(
                f"{path}: {key} has shape {found[key]}, but config.json makes it {shape}.\n"
                "The weights and the configuration belong to different models: copy both from one place."
            )


def _without_version(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without the release of diffusers that wrote it: saving a model again does not change it."""
    return {key: value for key, value in config.items() if key != "_diffusers_version"}


def _renamed(key: str) -> str:
    for old, new in _RENAMED.items():
        key = key.replace(old, new)
    return key


def _from_config(config: dict[str, Any]) -> UNet2DModel:
    try:
        with torch.device("meta"):
            return UNet2DModel.from_config(config)
    except Exception as error:  # whatever the constructors of a dozen kinds of blocks raise
        raise UserError(
            f"diffusers makes no U-Net of this configuration ({error}).\nCopy the model's config.json again."
        ) from error


def _ddim(config: dict[str, Any], **overrides: Any) -> DDIMScheduler:
    if not {"beta_schedule", "trained_betas"} & config.keys():
        raise UserError(
            f"The scheduler is a {config.get('_class_name')} without betas; expected a diffusion model trained as a DDPM "
            "(DDPMScheduler, DDIMScheduler and the like)."
        )
    try:
        return DDIMScheduler.from_config(config, **overrides)
    except Exception as error:
        raise UserError(
            f"DDIM cannot use this scheduler ({type(error).__name__}: {error}).\nCheck scheduler_config.json."
        ) from error
