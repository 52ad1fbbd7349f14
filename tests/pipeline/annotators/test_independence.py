"""An annotator under another name is found out, and one that only shares code is not."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from pipeline.annotators import attributes
from pipeline.annotators.independence import same_network
from pipeline.domains.portraits.annotators import PortraitAnnotator, PortraitJudge


def light(images):
    return images.mean(axis=(1, 2, 3))


def red(images):
    return images[..., 0].mean(axis=(1, 2))


@dataclass(frozen=True)
class Channel:
    channel: int = 0

    name: ClassVar[str] = "channel"
    attributes: ClassVar[tuple[str, ...]] = ("a",)
    thresholds: ClassVar[tuple[float, ...]] = (0.5,)

    def load(self):
        return lambda images: np.float32(images[..., self.channel].mean(axis=(1, 2)))[:, None]


@dataclass(frozen=True)
class Renamed(Channel):
    name: ClassVar[str] = "judge"
    attributes: ClassVar[tuple[str, ...]] = ("b",)
    thresholds: ClassVar[tuple[float, ...]] = (0.0,)


@dataclass(frozen=True)
class Other(Channel):
    """Shares all code and reads another file, which none of its fields says."""

    folder: ClassVar[str] = "other"


@dataclass(frozen=True)
class Overridden(Channel):
    def load(self):
        return lambda images: np.zeros((len(images), 1), np.float32)


@dataclass(frozen=True)
class Network(Channel):
    weights: str = "abc"


@dataclass(frozen=True)
class Heads(Overridden):
    weights: str = "abc"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (attributes("a")(light), attributes("a")(light)),
        (attributes("a")(light), attributes("b", name="judge", thresholds=1.0, version=2)(light)),
        (Channel(), Channel()),
        (Channel(1), Renamed(1)),
        (Network(), Heads()),
        (Network(), replace(Network(), channel=1)),
    ],
)
def test_one_network_under_two_names_is_one(one, other):
    assert same_network(one, other) and same_network(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (attributes("a", name="one")(light), attributes("a", name="one")(red)),
        (attributes("a")(light), Channel()),
        (Channel(0), Channel(1)),
        (Channel(0), Renamed(1)),
        (Channel(), Other()),
        (Channel(), Overridden()),
        (Network(), Network(weights="abd")),
        (PortraitAnnotator(), PortraitJudge()),
    ],
)
def test_two_are_two(one, other):
    assert not same_network(one, other) and not same_network(other, one)
