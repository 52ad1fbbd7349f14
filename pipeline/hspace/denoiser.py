"""A U-Net that is ready to run: (x_t, timestep) in, its output and its h out, with an edit of h on the way.

    denoiser = Denoiser(UNet2DModel.from_pretrained(folder).eval())
    output, h = denoiser(x_t, timestep)

Shapes: B batch; h is (B, C, H, W) at most capture points, and (B, D), flat, at several at once.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.hspace.capture import MID_BLOCK, Change, canonical, opened, singles
from pipeline.hspace.first_pass import computed_once
from pipeline.hspace.inputs import empty_condition, is_conditional, n_classes


@dataclass(frozen=True)
class Denoiser:
    """A diffusers `UNet2DModel`, or a `UNet2DConditionModel` under one condition for all samples.

    Of a U-Net that predicts a variance, too, in twice the channels that it is given, that half is left out.
    """

    unet: nn.Module
    point: str = MID_BLOCK  # where h is read and edited: see capture.py
    condition: Tensor | None = None  # (1, L, D) text embedding; None is the empty condition
    dtype: torch.dtype = torch.float32  # float16 and bfloat16 are autocast; x_t stays float32
    labels: Tensor | None = (
        None  # (1,) or (B,), the class of all samples, or of each; a U-Net with classes must be told
    )

    @property
    def device(self) -> torch.device:
        return next(self.unet.parameters()).device

    def of(self, labels: Tensor | None) -> "Denoiser":
        """The same denoiser for samples of these classes (B,); None are samples without."""
        return self if labels is None else replace(self, labels=labels)

    @property
    def points(self) -> tuple[str, ...]:
        """The capture points, one or several at once."""
        return singles(canonical(self.point))

    def __call__(
        self, x_t: Tensor, timestep: int, edit: Change | Mapping[str, Change] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The U-Net's output (the shape of x_t, float32), and h as it was before the edit.

        The edit of several points is one for each that is edited, by its name.
        """
        t = torch.full((len(x_t),), timestep, device=x_t.device)
        with opened(self.unet, self.point) as seen, self._precision(x_t.device):
            seen.edits = self._by_point(edit)
            output = self.unet(x_t, t, **self._conditions(x_t)).sample
        return output[:, : x_t.shape[1]].to(x_t.dtype), seen.h

    @contextmanager
    def decoder(self, x_t: Tensor, timestep: int) -> Iterator[tuple[Callable[[Tensor], Tensor], Tensor]]:
        """The U-Net at fixed x_t as a function of h alone, and its own h (B, ...); inside the block.

        What comes before h, the skip connections included, is computed once. Row i of what the function gives depends on row i
        of the h that it is given, and it can be differentiated. Raises UserError for several points: which depend on each other.
        """
        if len(self.points) > 1:
            raise UserError(f"What follows from h is a function of one capture point, and {self.point} are several.")
        with computed_once(self.unet, self.points[0]):
            with torch.no_grad():
                _, own_h = self(x_t, timestep)
            yield lambda h: self(x_t, timestep, lambda _: h)[0], own_h

    def _by_point(self, edit: Change | Mapping[str, Change] | None) -> Mapping[str, Change]:
        if edit is None or isinstance(edit, Mapping):
            return edit or {}
        if len(self.points) > 1:
            raise UserError(
                f"An edit of {self.point} is to say at which of these points: give one for each by its name."
            )
        return {self.points[0]: edit}

    def _conditions(self, x_t: Tensor) -> dict[str, Tensor]:
        given = {}
        if is_conditional(self.unet):
            condition = empty_condition(self.unet) if self.condition is None else self.condition
            given["encoder_hidden_states"] = condition.to(x_t).expand(len(x_t), -1, -1)
        if n_classes(self.unet) is not None:
            given["class_labels"] = self._labels(x_t)
        return given

    def _labels(self, x_t: Tensor) -> Tensor:
        """The classes (B,) of the rows of x_t. Raises UserError where they are not known."""
        if self.labels is None or len(self.labels) not in (1, len(x_t)):
            known = "none is" if self.labels is None else f"those of {len(self.labels)} are"
            raise UserError(
                f"The classes of {len(x_t)} samples are wanted, and {known} given.\n"
                "Take the denoiser of these samples: `denoiser.of(labels)`, one label each; `Model.labels` draws them."
            )
        return self.labels.to(x_t.device).expand(len(x_t))

    def _precision(self, device: torch.device) -> AbstractContextManager:
        return nullcontext() if self.dtype == torch.float32 else torch.autocast(device.type, self.dtype)
