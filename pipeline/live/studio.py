"""What makes the pictures: the reverse process, shown at a few of its steps, and a memory of what was made before.

Shapes: B samples; images are (B, H, W, 3) uint8 RGB.
"""

import base64
from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from pipeline.formats.images import png, thumbnail

SHOWN = (1 / 4, 3 / 8, 1 / 2, 3 / 4)  # of all steps: what comes before says little, what comes after is soon finished
# From here on what a step predicts is recognisably the edit: docs/explore.md has how much of it is there by then, as measured.
RECOGNISABLE = 1 / 2
LARGEST = 256  # pixels a side of what is shown before the end
REMEMBERED = 64 * 2**20  # bytes of finished pictures

Event = dict[str, Any]  # what a page is told, as JSON


class Follows(Protocol):
    """What a studio works with: `pipeline.recipes.applied.Applier` is one."""

    @property
    def steps(self) -> int: ...

    def followed(
        self, strengths: Mapping[str, float], seed: int, n: int = 1
    ) -> Generator[Callable[[], np.ndarray]]: ...


@dataclass(frozen=True)
class PictureOrder:
    """Pictures to make: samples 0 to n - 1 of a seed, edited by strengths that are not 0."""

    seed: int
    n: int
    strengths: tuple[tuple[str, float], ...] = ()

    @property
    def unedited(self) -> "PictureOrder":
        return PictureOrder(self.seed, self.n)


@dataclass
class Memory:
    """Finished pictures, of which those that were not asked for for the longest time go first."""

    most: int = REMEMBERED  # bytes
    held: int = 0
    pictures: OrderedDict[PictureOrder, list[bytes]] = field(default_factory=OrderedDict)

    def get(self, order: PictureOrder) -> list[bytes] | None:
        """Return the PNGs of an order, if they are still there."""
        if order in self.pictures:
            self.pictures.move_to_end(order)
        return self.pictures.get(order)

    def put(self, order: PictureOrder, pngs: list[bytes]) -> None:
        """Keep the PNGs of an order, and let go what no longer fits beside them."""
        self.held += _size(pngs) - _size(self.pictures.pop(order, []))
        self.pictures[order] = pngs
        while self.held > self.most and self.pictures:
            self.held -= _size(self.pictures.popitem(last=False)[1])


@dataclass
class Studio:
    """One model, and what it has made. It belongs to one thread."""

    applier: Follows
    memory: Memory = field(default_factory=Memory)

    def make(self, order: PictureOrder) -> Generator[Event | None]:
        """Make the pictures without the edit, unless they are remembered, and then with it; an event for what is to be seen.

        After a step of which nothing is shown it gives None: so whoever asks may stop between any two steps.
        """
        yield from self._made(order.unedited, edited=False)
        if order.strengths:
            yield from self._made(order, edited=True)

    def _made(self, order: PictureOrder, edited: bool) -> Generator[Event | None]:
        steps = self.applier.steps
        if (known := self.memory.get(order)) is not None:
            yield _event(edited, steps, steps, "png", known)
            return
        shown = {max(1, round(share * steps)) for share in SHOWN}
        with closing(self.applier.followed(dict(order.strengths), order.seed, order.n)) as run:
            for step, images in enumerate(run, 1):
                if step == steps:
                    finished = [png(image) for image in images()]
                    self.memory.put(order, finished)
                    yield _event(edited, step, steps, "png", finished)
                else:
                    yield _event(edited, step, steps, "jpeg", _small(images())) if step in shown else None


def _small(images: np.ndarray) -> list[bytes]:
    return [thumbnail(image, LARGEST) for image in images]


def _event(edited: bool, step: int, steps: int, kind: str, pictures: list[bytes]) -> Event:
    uris = [f"data:image/{kind};base64,{base64.b64encode(each).decode()}" for each in pictures]
    about = {"edited": edited, "step": step, "steps": steps, "recognisable": step >= RECOGNISABLE * steps}
    return {"kind": "pictures", **about, "pictures": uris}


def _size(pictures: list[bytes]) -> int:
    return sum(map(len, pictures))
