"""Two small networks that read the attributes of a portrait: the annotator labels, the judge measures.

They differ in architecture, seed and training images, so that an effect which the judge sees cannot be an accident of
the annotator that the direction was fitted on. Images are (B, 3, 48, 48), float32 in [-1, 1]; scores are (B, 7) in the
order of `ATTRIBUTES`: a logit for what is there or not (> 0 means present, or drawn as female), else the factor itself
in the unit of `render.Factors`.
"""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pipeline.domains.portraits.data import SIZE

ATTRIBUTES = ("smile", "glasses", "age", "gender", "yaw", "eyes_open", "skin")
LOGITS = ("glasses", "gender")
THRESHOLDS = (0.0, 0.0, 0.5, 0.0, 0.0, 0.5, 0.5)  # a score above it counts as present


class Annotator(nn.Module):
    """Strided convolutions down to 6 x 6, then two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv2d(3, 24, 3, stride=2, padding=1),  # 24 x 24
            nn.SiLU(),
            nn.Conv2d(24, 48, 3, stride=2, padding=1),  # 12 x 12
            nn.SiLU(),
            nn.Conv2d(48, 64, 3, stride=2, padding=1),  # 6 x 6
            nn.SiLU(),
        )
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(64 * 6 * 6, 128), nn.SiLU())
        self.head = nn.Linear(128, len(ATTRIBUTES))

    def features(self, images: Tensor) -> Tensor:
        """Return what the scores are read from, (B, 128), of pixels (B, 3, 48, 48)."""
        return self.hidden(self.convs(images))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


class Judge(nn.Module):
    """Residual blocks with group norm, pooled to 3 x 3: position counts, as for yaw, but only coarsely."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 5, stride=2, padding=2)  # 24 x 24
        self.blocks = nn.Sequential(_Residual(16, 32), _Residual(32, 64), _Residual(64, 64, stride=1))  # 6 x 6
        self.pool = nn.Sequential(nn.GroupNorm(8, 64), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten())
        self.head = nn.Linear(64 * 3 * 3, len(ATTRIBUTES))

    def features(self, images: Tensor) -> Tensor:
        """Return what the scores are read from, (B, 576), of pixels (B, 3, 48, 48)."""
        return self.pool(self.blocks(self.stem(images)))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


class _Residual(nn.Module):
    def __init__(self, n_in: int, n_out: int, stride: int = 2) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, n_in),
            nn.ReLU(),
            nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1),
            nn.GroupNorm(8, n_out),
            nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, padding=1),
        )
        self.shortcut = nn.Sequential(nn.AvgPool2d(stride), nn.Conv2d(n_in, n_out, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.body(x)


Network = Annotator | Judge
ARCHITECTURES: dict[str, type[Annotator] | type[Judge]] = {"annotator": Annotator, "judge": Judge}


def save_network(network: Annotator | Judge, folder: Path, training: dict[str, int | float]) -> None:
    """Write `config.json` and `model.safetensors`; `training` says how the weights came about."""
    config = {
        "architecture": type(network).__name__.lower(),
        "attributes": ATTRIBUTES,
        "logits": LOGITS,
        "size": SIZE,
        "training": training,
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def load_network(folder: Path) -> Annotator | Judge:
    """Read what `save_network` wrote, in eval mode and without gradients."""
    config = json.loads((folder / "config.json").read_text())
    with torch.device("meta"):  # no random start, and so no draw from the caller's random stream
        network = ARCHITECTURES[config["architecture"]]()
    network.load_state_dict(load_file(folder / "model.safetensors"), assign=True)
    return network.eval().requires_grad_(False)


def is_made(folder: Path, training: dict[str, int | float]) -> bool:
    """Whether the folder holds a network trained with these settings."""
    config = folder / "config.json"
    return config.exists() and json.loads(config.read_text())["training"] == training


@torch.inference_mode()
def in_batches(function: Callable[[Tensor], Tensor], images: Tensor, batch: int = 64) -> Tensor:
    """Apply a network, or its `features`, to many images (n, 3, 48, 48) uint8 or float: (n, D) float32."""
    return torch.cat([function(_to_input(rows)) for rows in images.split(batch)])


def _to_input(images: Tensor) -> Tensor:
    return images.float() / 127.5 - 1 if images.dtype == torch.uint8 else images
