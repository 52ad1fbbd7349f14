"""Train an attribute network on freshly drawn portraits whose factors are known.

It will meet generated and edited images, which are a little noisy, soft or off in colour; the same is done to its
training images, slightly, so that its scores follow the attribute and not the renderer's exactness.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from sklearn.metrics import r2_score, roc_auc_score
from torch import Tensor
from torch.nn.functional import affine_grid, binary_cross_entropy_with_logits, grid_sample

from pipeline.domains.portraits.attributes import ARCHITECTURES, ATTRIBUTES, LOGITS, Annotator, Judge, in_batches
from pipeline.domains.portraits.data import to_float
from pipeline.domains.portraits.render import sample_factors

LABEL_SMOOTHING = 0.05  # keeps the logits of what is certain at about +-3.7 instead of growing with training time
IS_LOGIT = torch.tensor([attribute in LOGITS for attribute in ATTRIBUTES])


def labels(n: int, seed: int) -> Tensor:
    """The truth about `data.draw(n, seed)`: (n, 7), in the order of `ATTRIBUTES`."""
    factors = sample_factors(n, seed)
    return torch.stack([getattr(factors, attribute) for attribute in ATTRIBUTES], 1)


@dataclass
class AttributeTraining:
    """`epochs` passes over the images under a one-cycle learning rate. Equal settings, equal weights."""

    which: str  # a key of ARCHITECTURES
    n: int  # portraits
    seed: int  # of the portraits and of the training
    epochs: int = 10
    batch: int = 32
    learning_rate: float = 2e-3

    @property
    def settings(self) -> dict[str, int | float]:
        """Everything that decides the weights of an architecture."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "which"}

    @property
    def steps(self) -> int:
        return self.epochs * (self.n // self.batch)

    def run(self, images: Tensor, report: Callable[[int, float], None] = lambda step, loss: None) -> Annotator | Judge:
        """Train from nothing on `data.draw(n, seed)`: (n, 3, 48, 48) uint8. `report(step, loss)` after each step."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = ARCHITECTURES[self.which]().to(memory_format=torch.channels_last)
        stream = torch.Generator().manual_seed(self.seed)
        optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.learning_rate, total_steps=self.steps)
        truth = labels(self.n, self.seed)
        spread = truth.var(0)

        for step in range(self.steps):
            turn = step % (self.n // self.batch)
            if turn == 0:
                order = torch.randperm(self.n, generator=stream)
            rows = order[turn * self.batch : (turn + 1) * self.batch]
            batch = augment(to_float(images[rows]), stream).contiguous(memory_format=torch.channels_last)
            loss = error(network(batch), truth[rows], spread)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            report(step + 1, loss.item())
        return network.eval().requires_grad_(False).to(memory_format=torch.contiguous_format)


def error(scores: Tensor, truth: Tensor, spread: Tensor) -> Tensor:
    """Cross-entropy of the logits plus squared error of the rest in units of their variance, a mean over attributes."""
    target = truth[:, IS_LOGIT] * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / 2
    logits = binary_cross_entropy_with_logits(scores[:, IS_LOGIT], target, reduction="none")
    squares = (scores - truth)[:, ~IS_LOGIT].square() / spread[~IS_LOGIT]
    return torch.cat([logits, squares], 1).mean()


def augment(images: Tensor, stream: torch.Generator) -> Tensor:
    """Shift by up to a pixel, blur or sharpen, tint and add noise, each a little and differently for every image."""
    n, size = len(images), images.shape[-1]

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(n, *shape, generator=stream)

    place = torch.eye(2, 3).repeat(n, 1, 1)
    place[:, :, 2] = uniform(-2 / size, 2 / size, 2)  # 2 / size of the grid's unit is one pixel
    grid = affine_grid(place, list(images.shape), align_corners=False)
    images = grid_sample(images, grid, padding_mode="border", align_corners=False)

    soft = torch.nn.functional.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    images = torch.lerp(images, soft, uniform(-0.3, 0.5, 1, 1, 1))
    images = images * uniform(0.97, 1.03, 1, 1, 1) + uniform(-0.02, 0.02, 3, 1, 1)
    noise = torch.randn(images.shape, generator=stream)
    return (images + uniform(0, 0.05, 1, 1, 1) * noise).clamp(-1, 1)


def accuracy(network: Annotator | Judge, images: Tensor, truth: Tensor) -> dict[str, float]:
    """Held-out figure of each attribute: the area under the ROC curve of a logit, else R2."""
    scores = in_batches(network, images)
    measures = {attribute: roc_auc_score if attribute in LOGITS else r2_score for attribute in ATTRIBUTES}
    return {
        attribute: float(measure(truth[:, i].numpy(), scores[:, i].numpy()))
        for i, (attribute, measure) in enumerate(measures.items())
    }
