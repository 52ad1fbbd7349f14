"""Two small networks that say which digit an image shows: the annotator's and the judge's.

They differ in architecture and in the people's digits that they were trained on. Images are (B, 1, 32, 32), float32 in
[-1, 1]; logits are (B, 11), of the ten digits and of what is none.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
NONE = len(CLASSES)  # the class of what is no digit


class Annotator(nn.Module):
    """Strided convolutions down to 4 x 4, then one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Conv2d(1, 16, 3, stride=2, padding=1),  # 16 x 16
            nn.SiLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),  # 8 x 8
            nn.SiLU(),
            nn.Conv2d(32, 48, 3, stride=2, padding=1),  # 4 x 4
            nn.SiLU(),
            nn.Flatten(),
        )
        self.head = nn.Linear(48 * 4 * 4, NONE + 1)

    def features(self, images: Tensor) -> Tensor:
        """Return what the logits are read from, (B, 768), of pixels (B, 1, 32, 32)."""
        return self.hidden(images)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


class Judge(nn.Module):
    """Wider kernels, group norm and maxima of neighbours, then two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.AvgPool2d(2),  # 16 x 16
            nn.Conv2d(1, 24, 5, padding=2),
            nn.GroupNorm(4, 24),
            nn.ReLU(),
            nn.MaxPool2d(2),  # 8 x 8
            nn.Conv2d(24, 32, 3, padding=1),
            nn.GroupNorm(4, 32),
            nn.ReLU(),
            nn.MaxPool2d(2),  # 4 x 4
            nn.Flatten(),
            nn.Linear(32 * 4 * 4, 64),
            nn.ReLU(),
        )
        self.head = nn.Linear(64, NONE + 1)

    def features(self, images: Tensor) -> Tensor:
        """Return what the logits are read from, (B, 64), of pixels (B, 1, 32, 32)."""
        return self.hidden(images)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


Network = Annotator | Judge
ARCHITECTURES: dict[str, type[Annotator] | type[Judge]] = {"annotator": Annotator, "judge": Judge}


def scores(logits: Tensor) -> Tensor:
    """Return the log odds of each of the ten digits, and the probability that it is one of them: (B, 11) of (B, 11)."""
    certain = logits.log_softmax(dim=1)[:, :NONE]
    others = torch.stack([logits[:, torch.arange(NONE + 1) != k].logsumexp(dim=1) for k in range(NONE)], dim=1)
    return torch.cat([logits[:, :NONE] - others, certain.exp().sum(dim=1, keepdim=True)], dim=1)


def save_network(network: Network, folder: Path, training: dict[str, int | float]) -> None:
    """Write `config.json` and `model.safetensors`; `training` says how the weights came about."""
    config = {"architecture": type(network).__name__.lower(), "classes": CLASSES, "training": training}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def load_network(folder: Path) -> Network:
    """Read what `save_network` wrote, in eval mode and without gradients."""
    config = json.loads((folder / "config.json").read_text())
    with torch.device("meta"):  # no random start, and so no draw from the caller's random stream
        network = ARCHITECTURES[config["architecture"]]()
    network.load_state_dict(load_file(folder / "model.safetensors"), assign=True)
    return network.eval().requires_grad_(False)
