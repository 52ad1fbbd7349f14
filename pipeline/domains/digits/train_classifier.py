"""Train a classifier of digits on varied ones, made a little noisy and soft, as generated images are, and on what is none."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, cross_entropy

from pipeline.domains.digits.classifiers import ARCHITECTURES, NONE, Network
from pipeline.domains.digits.data import draw, to_float

PARTS = {"annotator": "train", "judge": "judge"}  # of the digits, that each is trained on
LABEL_SMOOTHING = 0.05  # keeps log odds of what is certain from growing with training time
SPOILT = 16  # images of a batch that are made into none
PATCH = 8  # pixels


@dataclass
class ClassifierTraining:
    """`steps` of AdamW under a one-cycle learning rate. Equal settings, equal weights."""

    which: str  # a key of ARCHITECTURES
    images: int = 24_000
    seed: int = 0
    steps: int = 2500
    batch: int = 64
    learning_rate: float = 4e-3

    @property
    def settings(self) -> dict[str, int | float]:
        """Everything that decides the weights of an architecture."""
        return {name: value for name, value in asdict(self).items() if name != "which"}

    def run(self, report: Callable[[int, float], None] = lambda step, loss: None) -> Network:
        """Train from nothing; `report(step, loss)` after each step."""
        images, classes = draw(PARTS[self.which], self.images, self.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = ARCHITECTURES[self.which]()
        stream = torch.Generator().manual_seed(self.seed)
        optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.learning_rate, total_steps=self.steps)
        for step in range(self.steps):
            rows = torch.randint(len(images), (self.batch,), generator=stream)
            shown, truth = spoil(to_float(images[rows]), classes[rows], stream)
            loss = cross_entropy(network(soften(shown, stream)), truth, label_smoothing=LABEL_SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            report(step + 1, loss.item())
        return network.eval().requires_grad_(False)


def soften(images: Tensor, stream: torch.Generator) -> Tensor:
    """Blur, fade and add noise, each a little and differently for every image."""

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(len(images), 1, 1, 1, generator=stream)

    soft = avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    images = torch.lerp(images, soft, uniform(-0.3, 0.8)) * uniform(0.85, 1)
    return (images + uniform(0, 0.15) * torch.randn(images.shape, generator=stream)).clamp(-1, 1)


def spoil(images: Tensor, classes: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor]:
    """Make the first `SPOILT` of a batch into none: patches in disorder, two unlike digits in one, clouds."""
    images, classes = images.clone(), classes.clone()
    for i in range(min(SPOILT, len(images))):
        if i % 4 < 2:
            images[i] = _in_disorder(images[i], stream)
        elif i % 4 == 2:
            unlike = torch.nonzero(classes[SPOILT:] != classes[i]).flatten()[:1] + SPOILT
            images[i] = images[[i, *unlike.tolist()]].amax(dim=0)
        else:
            cloud = torch.randn(1, 1, *images.shape[-2:], generator=stream)
            images[i] = (6 * avg_pool2d(cloud, 5, stride=1, padding=2)[0] - torch.rand(1, generator=stream)).clamp(
                -1, 1
            )
        classes[i] = NONE
    return images, classes


def _in_disorder(image: Tensor, stream: torch.Generator) -> Tensor:
    patches = image[0].unfold(0, PATCH, PATCH).unfold(1, PATCH, PATCH)
    across = patches.shape[1]
    order = torch.randperm(patches.shape[0] * across, generator=stream)
    mixed = patches.flatten(0, 1)[order].view_as(patches)
    return mixed.permute(0, 2, 1, 3).reshape(image.shape)
