"""Directions of a catalog, applied by its own reverse process: to new samples, or to a real image through its inversion.

Shapes: B samples; images are (B, H, W, 3) uint8 RGB.
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.errors import UserError
from pipeline.hspace import inversion
from pipeline.hspace.denoiser import Denoiser
from pipeline.hspace.inversion import Inverted
from pipeline.hspace.noise import Noise, NoiseStreams
from pipeline.hspace.reverse_process import ReverseProcess
from pipeline.models import pretrained
from pipeline.models.bundled import bundled
from pipeline.models.pretrained import LoadedModel, Model


class Applied(NamedTuple):
    """What an edit makes, beside the same without it."""

    unedited: np.ndarray
    edited: np.ndarray


@dataclass(frozen=True)
class Applier:
    """The model of a catalog, in memory, with the process that its samples were made by."""

    catalog: DirectionCatalog
    model: Model
    loaded: LoadedModel
    process: ReverseProcess

    @classmethod
    def of(
        cls,
        catalog: DirectionCatalog,
        model: str | None = None,
        condition: str | None = None,
        device: str | None = None,
    ) -> "Applier":
        """Load the model that a catalog is of, from where the catalog says or from another folder or repository.

        condition: the file with the embedding that the samples were made under, where they had one. device: torch's name of where
        it runs; None is a GPU where there is one. Raises UserError for another model, or another embedding, and for a device that
        this machine has not.
        """
        if device is not None:
            check_device(device)
        found, sampling = model_of(catalog, model, condition), catalog.about.sampling
        eta = tuple(sampling.eta) if isinstance(sampling.eta, list) else sampling.eta
        process = ReverseProcess(found.ddim(sampling.clip), sampling.steps, eta)
        loaded = found.load(dtype=sampling.dtype)
        return cls(catalog, found, loaded.to(device) if device else loaded, process)

    def to_samples(self, strengths: Mapping[str, float], seed: int, n: int = 1) -> Applied:
        """Edit samples 0 to n - 1 of a seed. strengths: in standard deviations, by direction or attribute."""
        return self._applied(strengths, self._denoiser(seed, n), lambda: self._noise(seed, n))

    def to_image(self, strengths: Mapping[str, float], image: np.ndarray, seed: int = 0) -> Applied:
        """Edit a real image (H, W, 3) uint8 of the model's size, beside what its inversion makes of it without an edit.

        With eta above 0 the inversion is edit-friendly, with noise of this seed, and leads back to the image to rounding; with
        eta = 0 it is DDIM's, which comes near.
        """
        x_0, denoiser = self.loaded.from_images(image[None].copy()), self._denoiser(seed, 1)
        found: Inverted
        if any(self.process.etas):
            found = inversion.edit_friendly(self.process, denoiser, x_0, self._noise(seed, 1))
        else:
            found = inversion.ddim(self.process, denoiser, x_0, iterations=3)
        return self._applied(strengths, denoiser, lambda: found)

    def followed(self, strengths: Mapping[str, float], seed: int, n: int = 1) -> Generator[Callable[[], np.ndarray]]:
        """Edit samples 0 to n - 1 of a seed as `to_samples` does, step by step; without strengths, make them as they are.

        After each step it gives a function that decodes the images as that step predicts them (P_t of Eq. 3), and after the last
        one that decodes the finished ones, which are those of `to_samples` to the bit. Close it to stop between two steps.
        """
        denoiser = self._denoiser(seed, n)
        with self._edit(denoiser, strengths):
            for step, (P_t, x) in enumerate(self.process.followed(denoiser, self._noise(seed, n)), 1):
                yield partial(self.loaded.to_images, x if step == self.process.steps else P_t)

    @property
    def steps(self) -> int:
        """How many steps a sample takes."""
        return self.process.steps

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the model's images."""
        return self.model.image_shape[1], self.model.image_shape[2]

    def _applied(self, strengths: Mapping[str, float], denoiser: Denoiser, noise: Callable[[], Noise]) -> Applied:
        with self._edit(denoiser, strengths):
            edited = self.process.run(denoiser, noise())
        unedited = self.process.run(denoiser, noise())
        return Applied(self.loaded.to_images(unedited), self.loaded.to_images(edited))

    def _edit(self, denoiser: Denoiser, strengths: Mapping[str, float]) -> AbstractContextManager[Any]:
        if not strengths:
            return nullcontext()
        return self.catalog.edit(denoiser.unet, dict(strengths), allow=("weights",))  # which `model_of` has compared

    def _denoiser(self, seed: int, n: int) -> Denoiser:
        return self.loaded.denoiser.of(self.model.labels(seed, range(n)))

    def _noise(self, seed: int, n: int) -> NoiseStreams:
        return NoiseStreams(seed, range(n), self.model.x_shape)


def check_device(name: str) -> None:
    """Raise UserError for a device that this machine has not."""
    try:
        torch.zeros(1, device=name)
    except (
        RuntimeError,
        AssertionError,
        NotImplementedError,
    ) as error:  # a name that is none, and no GPU where one is named
        raise UserError(
            f"There is no device {name!r} here ({str(error).splitlines()[0]}).\nExpected cpu, cuda or cuda:1, or none to let "
            "the machine decide."
        ) from error


def model_of(catalog: DirectionCatalog, name: str | None = None, condition: str | None = None) -> Model:
    """Find the model that a catalog is of, where the catalog says or by another name. Raises UserError where it is another one."""
    about = catalog.about.model
    place = name or about.name
    found = pretrained.find(
        str(bundled(place) or place),
        None if name else about.revision,
        unet=about.unet_folder if about.unet_folder != "." else None,
        variant=about.variant,
        condition=condition,
        class_label=about.class_label,
    )
    if found.weights != about.weights_sha256:
        raise UserError(
            f"{found.name} has the weights {found.weights[:12]}, and the catalog is of {about.weights_sha256[:12]} "
            f"({about.name}).\n"
            "Give the folder or the repository of that model with `model`."
        )
    if found.condition != about.condition_sha256:
        given = found.condition[:12] if found.condition else "none"
        wanted = about.condition_sha256[:12] if about.condition_sha256 else "none"
        raise UserError(
            f"The catalog's samples were made under the embedding {wanted}, and this is {given}.\n"
            "Give the file with that embedding with `condition`."
        )
    return found
