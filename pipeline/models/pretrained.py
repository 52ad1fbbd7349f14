"""Find and load a diffusion model: a U-Net, its scheduler, and the autoencoder of a latent one.

Two layouts are read, both made by diffusers' `save_pretrained`: a pipeline (`unet/`, `scheduler/`, and `vqvae/` or `vae/`), and a
bare model with everything of the U-Net at the top. A U-Net with cross-attention runs under one condition for all samples:
`encoder_hidden_states` (1, L, D) in a file that is named, or in `condition.safetensors` at the top, or zeros where there is none.
A U-Net with classes is told one for all samples, or a class a sample. Which weights of a folder are read, and how pickled ones are,
weights.py and pickles.py say.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.fingerprint import hashed_where_set, not_hashed
from pipeline.formats.hashes import changed
from pipeline.hspace import capture, dtypes, inputs, points
from pipeline.hspace.denoiser import Denoiser
from pipeline.in_use import in_use
from pipeline.models import autoencoder, checkpoint, conditions, configuration, hub, schedule, support
from pipeline.models.autoencoder import Autoencoder
from pipeline.models.conditions import ClassLabel
from pipeline.models.memory import keep_freed_memory
from pipeline.models.pixels import from_uint8, to_uint8

if TYPE_CHECKING:
    from diffusers import DDIMScheduler

_AUTOENCODERS = ("vqvae", "vae")  # folders, as LDMPipeline and StableDiffusionPipeline name them


@dataclass(frozen=True)
class Model:
    """A model as it was found: what identifies it is hashed, where it lies is not. `find` makes one."""

    weights: str  # SHA-256 of the U-Net's weights, the files as they lie there
    unet: str  # its configuration, as JSON; a UNet2DModel's where it names no class
    scheduler: str  # the scheduler's configuration, as JSON
    name: str = not_hashed()  # folder or hub id, as the user gave it
    folder: str = not_hashed()  # where the files lie on this machine
    revision: str | None = not_hashed(None)  # commit of the hub repository
    autoencoder: str | None = None  # its configuration, as JSON; None works on pixels
    autoencoder_weights: str | None = None  # SHA-256 of its weights
    condition: str | None = None  # SHA-256 of the condition's file; None is zeros, or no condition at all
    condition_file: str | None = not_hashed(None)  # where that lies on this machine
    class_label: ClassLabel | None = hashed_where_set()  # of a U-Net with classes: the class of all samples, or "each"
    unet_folder: str | None = not_hashed(None)  # the U-Net's in `folder`; "." is that one itself
    variant: str | None = not_hashed(None)  # of the weights, as chosen

    @property
    def x_shape(self) -> tuple[int, int, int]:
        """The shape (channels, height, width) of x_t: an image, or its latents."""
        config = self._unet_settings
        size = config["sample_size"]
        height, width = (size, size) if isinstance(size, int) else size
        return config["in_channels"], height, width

    @property
    def classes(self) -> int | None:
        """How many classes the U-Net knows; None for one without."""
        return self._unet_settings.get("num_class_embeds")

    @property
    def clips(self) -> bool:
        """Whether P_t is kept in its range unless a setting says otherwise: the model's own rule for pixels; never for latents."""
        return self.autoencoder is None and schedule.clips(self._scheduler_settings)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is done otherwise here than the model's own files say, in whole sentences."""
        return support.notes(self._unet_settings, self._scheduler_settings)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The shape (channels, height, width) of an image."""
        if self.autoencoder is None:
            return self.x_shape
        config = json.loads(self.autoencoder)
        _, height, width = self.x_shape
        larger = autoencoder.enlargement(config)
        return config["out_channels"], height * larger, width * larger

    def h_shape(self, point: str = capture.MID_BLOCK) -> tuple[int, ...]:
        """Return the shape of h at a capture point, found by one pass of a copy without weights; of several points (D,)."""
        return _h_shape(self._unet_kind(), self.unet, point)

    def points(self) -> list[points.Point]:
        """Return the capture points that the U-Net offers, with the shape and the bytes of h, in the order of a pass."""
        return _points(self._unet_kind(), self.unet)

    def load(self, point: str = capture.MID_BLOCK, dtype: str = "float32", compiled: bool = False) -> "LoadedModel":
        """Load the networks, ready to run, on a GPU where there is one.

        `dtype` is that of the U-Net's autocast. Below float32 its matrices are kept in it, as each pass would round them: see
        `dtypes.rounded`. All else of the networks stays float32.
        """
        if (here := self._here()) is not self:
            return here.load(point, dtype, compiled)
        self._check_configurations()
        around = capture.singles(point) if compiled else None
        unet = in_use((self, dtype, around), lambda: self._load_unet(dtype, around))
        label = torch.tensor([self.class_label]) if isinstance(self.class_label, int) else None
        denoiser = Denoiser(unet, point, self._load_condition(), getattr(torch, dtype), label)
        return LoadedModel(denoiser, self._load_autoencoder())

    def ddim(self, clip: bool | None = None) -> "DDIMScheduler":
        """Eq. 2's scheduler with the model's own betas, prediction type and spacing; `clip` overrides the rule of `clips`."""
        return schedule.ddim(self._scheduler_settings, self.clips if clip is None else clip)

    def labels(self, seed: int, sample_ids: Sequence[int]) -> Tensor | None:
        """The classes (B,) of some samples, for `Denoiser.of`; None for a U-Net without."""
        return conditions.labels(self.class_label, self.classes, seed, sample_ids)

    def check_timesteps(self, timesteps: Sequence[int]) -> None:
        """Raise UserError where the U-Net gives no numbers at one of these timesteps."""
        config = self._unet_settings
        of_noise_levels = config.get("time_embedding_type") == "fourier" and "cross_attention_dim" not in config
        if of_noise_levels and 0 in timesteps:
            raise UserError(
                "The U-Net takes the logarithm of the timestep and divides by it (time_embedding_type is 'fourier'), and the last "
                "of these timesteps is 0: it gives NaN there, in any precision.\n"
                'Use a model that was trained on timesteps, or "timestep_spacing": "trailing" in its scheduler_config.json, '
                "and fewer steps than timesteps."
            )

    @property
    def _unet_settings(self) -> dict[str, Any]:
        return json.loads(self.unet)

    @property
    def _scheduler_settings(self) -> dict[str, Any]:
        return json.loads(self.scheduler)

    def _here(self) -> "Model":
        """This model as it lies on this machine: of a repository of the hub that another machine has found, the same commit."""
        if self.revision is None or Path(self.folder).exists():
            return self
        unet = self.unet_folder if self.unet_folder != "." else None
        folder = str(hub.locate(self.name, self.revision, unet, self.variant).folder.absolute())
        within = self.condition_file and self.condition_file.startswith(f"{self.folder}/")
        condition = f"{folder}{self.condition_file.removeprefix(self.folder)}" if within else self.condition_file  # type: ignore[union-attr]
        return replace(self, folder=folder, condition_file=condition)

    def _load_unet(self, dtype: str, around: tuple[str, ...] | None) -> Any:
        """The U-Net; compiled `around` some capture points, where they are given."""
        where = configuration.unet_folder(Path(self.folder), self.unet_folder)
        unet = checkpoint.load(self._unet_kind(), self._unet_settings, where, self.weights, self.variant)
        if dtype != "float32":
            unet = dtypes.rounded(unet, getattr(torch, dtype))
        if unet.device.type == "cpu":
            keep_freed_memory()
        if around is not None:
            # Around the capture points, whose hooks would break the graph.
            open_ = {each.removesuffix(capture.INPUT) for each in around}
            for name, block in unet.named_modules():
                is_block = name.startswith(("down_blocks.", "up_blocks.")) and name.count(".") == 1
                if is_block and not any(f"{each}.".startswith(f"{name}.") for each in open_):
                    block.compile()
        return unet

    def _check_configurations(self) -> None:
        """Raise UserError where a config.json, which diffusers reads again, has changed since the model was found."""
        folder = Path(self.folder)
        differs = _unet_json(_unet_config(folder, self.unet_folder)) != self.unet
        if self.autoencoder and (where := _autoencoder_folder(folder)):
            differs |= _autoencoder_config(where)[1] != self.autoencoder
        if differs:
            raise changed(f"A config.json of {folder}")

    def _unet_kind(self) -> Any:
        config = {"_class_name": "UNet2DModel", **self._unet_settings}
        return checkpoint.kind_of(config, support.UNETS, Path(self.folder))

    def _load_condition(self) -> Tensor | None:
        """Return the condition (1, L, D) float32, or None. Raises UserError where its file has changed."""
        if self.condition is None or self.condition_file is None:
            return None
        return conditions.load_condition(Path(self.condition_file), self.condition)

    def _load_autoencoder(self) -> Autoencoder | None:
        if self.autoencoder is None or self.autoencoder_weights is None:
            return None
        folder = _autoencoder_folder(Path(self.folder))
        if folder is None:
            raise changed(f"The autoencoder of {self.folder}", "is gone")
        config = json.loads(self.autoencoder)
        kind = checkpoint.kind_of(config, autoencoder.KINDS, folder)
        what = (kind, config, folder, self.autoencoder_weights, self.variant)
        network = in_use((self, "autoencoder"), lambda: checkpoint.load(*what, preferred=True))
        return Autoencoder(network, autoencoder.Scaling.of(config))


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory: the U-Net, and the way between images and what the U-Net works on."""

    denoiser: Denoiser
    autoencoder: Autoencoder | None = None  # None works on pixels

    def to(self, device: str) -> "LoadedModel":
        """Move the networks to a device, by torch's name for it."""
        self.denoiser.unet.to(device)
        if self.autoencoder:
            self.autoencoder.network.to(device)
        return self

    @torch.inference_mode()
    def to_images(self, x_0: Tensor) -> np.ndarray:
        """x_0 (B, channels, height, width) -> (B, H, W, 3) uint8 RGB."""
        x_0 = x_0.to(self.denoiser.device)
        return to_uint8(self.autoencoder.decode(x_0) if self.autoencoder else x_0).cpu().numpy()

    @torch.inference_mode()
    def from_images(self, images: np.ndarray) -> Tensor:
        """Return x_0 (B, channels, height, width) float32 of images (B, H, W, 3) uint8 RGB of the model's size.

        A grey model sees their luminance.
        """
        config: Any = (self.autoencoder.network if self.autoencoder else self.denoiser.unet).config
        pixels = from_uint8(torch.from_numpy(images), config["in_channels"]).to(self.denoiser.device)
        return self.autoencoder.encode(pixels) if self.autoencoder else pixels


def find(
    name: str,
    revision: str | None = None,
    *,
    unet: str | None = None,
    variant: str | None = None,
    condition: str | Path | None = None,
    class_label: ClassLabel | None = None,
) -> Model:
    """Find a model by folder or hub id (`owner/name`, `owner/name@revision`) and read what identifies it.

    `unet` names the U-Net's folder where a model has several (unet_ema), and `variant` its weights where there are several (fp16,
    non_ema); the autoencoder's are of the same variant where it has it. condition: a file with the embedding of a U-Net with
    cross-attention, wherever it lies; class_label: of a U-Net with classes, which one, or "each": every sample has its own.

    The weights are checked but not loaded. Raises UserError for a folder that is missing or incomplete, a choice to make, weights
    that are damaged, quantised, pickled with anything but tensors, or of other shapes than the configuration says, values that make
    no network, models without an h-space, and models that are not run here: under several embeddings, with other than RGB or grey
    images, or with another reverse process than DDPM's.
    """
    place = hub.locate(name, revision, unet, variant)
    config = _unet_config(place.folder, unet)
    network = checkpoint.without_weights(checkpoint.kind_of(config, support.UNETS, place.folder), config)
    scheduler = _scheduler_config(place.folder)
    decoder = _autoencoder_folder(place.folder)
    support.check_channels(network, decoder, place.folder)
    support.check_unet(config, network, place.folder)
    support.check_variance(network, scheduler, place.folder)
    support.check_time_embedding(network, scheduler, place.folder)
    support.check_runs(network, config, place.folder)
    conditions.check_label(class_label, inputs.n_classes(network), place.folder)
    embedding = conditions.find_condition(place.folder, condition, network)
    where = configuration.unet_folder(place.folder, unet)
    return Model(
        weights=checkpoint.checked(where, network, variant),
        unet=_unet_json(config),
        scheduler=json.dumps(scheduler, sort_keys=True),
        name=place.name,
        folder=str(place.folder.absolute()),
        revision=place.revision,
        condition=conditions.condition_hash(embedding),
        condition_file=str(embedding.absolute()) if embedding else None,
        class_label=class_label,
        unet_folder=where.relative_to(place.folder).as_posix(),
        variant=variant,
        **(_autoencoder(decoder, network, variant) if decoder else {}),
    )


# The U-Net


@cache
def _h_shape(kind: Any, config: str, point: str) -> tuple[int, ...]:
    """The pass takes a second, and a plan asks many times."""
    return points.h_shape(checkpoint.without_weights(kind, json.loads(config)), point)


@cache
def _points(kind: Any, config: str) -> list[points.Point]:
    return points.points(checkpoint.without_weights(kind, json.loads(config)))


def _unet_config(folder: Path, chosen: str | None) -> dict[str, Any]:
    path = configuration.unet_folder(folder, chosen) / "config.json"
    transformer = folder / "transformer" / "config.json"
    if transformer.exists() and not path.exists():
        path = transformer
    if not path.exists():
        support.check_folder(folder)
    config = configuration.read_network(path, "the U-Net's configuration")
    support.check_architecture(config, path)
    checkpoint.kind_of(config, support.UNETS, folder)
    return support.check_values(config, path)


def _unet_json(config: dict[str, Any]) -> str:
    """What identifies a U-Net's configuration: without the release of diffusers and the path that it was saved from."""
    kept = {key: value for key, value in config.items() if not key.startswith("_")}
    if config["_class_name"] != "UNet2DModel":
        kept["_class_name"] = config["_class_name"]
    return json.dumps(kept, sort_keys=True)


# The autoencoder


def _autoencoder_folder(folder: Path) -> Path | None:
    """Return where the autoencoder lies, or None for a model that works on pixels."""
    found = [name for name in _AUTOENCODERS if (folder / name).is_dir()]
    if len(found) > 1:
        raise UserError(f"{folder} holds {' and '.join(found)}; expected one autoencoder. Remove the other folder.")
    index = folder / "model_index.json"
    if not found and index.exists():
        named = checkpoint.read_json(index, "the parts of the pipeline")
        if lost := [name for name in _AUTOENCODERS if any(named.get(name) or ())]:
            raise UserError(f"{folder / lost[0]} is missing, and {index.name} names it. Copy the whole folder again.")
    return folder / found[0] if found else None


def _autoencoder(folder: Path, unet: Any, variant: str | None) -> dict[str, str]:
    """What identifies the autoencoder, once it is known to fit the U-Net: fields of `Model`."""
    network, described = _autoencoder_config(folder)
    if (latents := autoencoder.latent_channels(network)) != unet.config["in_channels"]:
        raise UserError(
            f"The U-Net of {folder.parent} works on {unet.config['in_channels']} channels, and its autoencoder on {latents}.\n"
            "They belong to different models: copy both from one place."
        )
    taken, given = network.config["in_channels"], network.config["out_channels"]
    if taken != given or given not in support.IMAGES:
        raise UserError(
            f"{folder} takes images of {taken} channels and makes images of {given}; expected 3 (RGB), or 1 (grey), of both."
        )
    return {
        "autoencoder": described,
        "autoencoder_weights": checkpoint.checked(folder, network, variant, preferred=True),
    }


def _autoencoder_config(folder: Path) -> tuple[Any, str]:
    """The autoencoder without weights, and its configuration as JSON."""
    path = folder / "config.json"
    config = configuration.read_network(path, "the autoencoder's configuration")
    network = checkpoint.without_weights(checkpoint.kind_of(config, autoencoder.KINDS, folder), config)
    kept = {key: value for key, value in config.items() if not key.startswith("_") or key == "_class_name"}
    kept |= {key: network.config[key] for key in ("block_out_channels", "out_channels")}  # what `image_shape` reads
    return network, json.dumps({**kept, **autoencoder.scaled(config, path)}, sort_keys=True)


# The scheduler


def _scheduler_config(folder: Path) -> dict[str, Any]:
    inside = folder / "scheduler" if (folder / "scheduler").is_dir() else folder
    path = inside / "scheduler_config.json"
    if not path.exists() and (folder.parent / "scheduler" / path.name).exists():
        raise UserError(f"{folder} is the U-Net of a whole model. Give the folder above it: {folder.parent}.")
    return schedule.checked(checkpoint.read_json(path, "the scheduler's configuration"), path)
