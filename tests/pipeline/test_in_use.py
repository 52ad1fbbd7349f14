"""What is in use is loaded once, what nobody holds any more anew, and what cannot be recognised or watched each time."""

import gc
from dataclasses import dataclass
from weakref import ref

import numpy as np
import pytest

from pipeline.annotators.border import embedding, masker, scorer
from pipeline.in_use import in_use, sharing


class Loaded:
    """Something with a weak reference."""


@dataclass(frozen=True)
class Plug:
    """A judge, a mask and an embedder, that count how often they are loaded."""

    settings: list[str] | tuple[str, ...]
    attributes: tuple[str, ...] = ("light",)

    def load(self):
        COUNTED.append("load")
        return lambda images: np.zeros(images.shape[: 3 if self.attributes == () else 1])

    def embedder(self):
        COUNTED.append("embedder")
        return lambda images: np.zeros((len(images), 2))


COUNTED: list[str] = []


@pytest.fixture
def shared():
    with sharing():
        yield


def test_it_is_loaded_once_while_somebody_holds_it(shared):
    held = in_use(("a", 1), Loaded)
    assert in_use(("a", 1), Loaded) is held
    assert in_use(("a", 2), Loaded) is not held
    gone = ref(held)
    del held
    gc.collect()
    assert gone() is None and isinstance(in_use(("a", 1), Loaded), Loaded)


@pytest.mark.parametrize("key, load", [(["no hash"], Loaded), (("no weak reference",), lambda: (1, object()))])
def test_what_cannot_be_recognised_or_watched_is_loaded_each_time(shared, key, load):
    held = in_use(key, load)
    assert in_use(key, load) is not held


def test_who_does_not_ask_for_it_shares_nothing():
    with sharing():
        held = in_use(("b",), Loaded)
    assert in_use(("b",), Loaded) is not held


def test_an_error_of_what_loads_is_its_own(shared):
    def broken():
        raise TypeError("of the plug")

    with pytest.raises(TypeError, match="of the plug"):
        in_use(("broken",), broken)


def test_plugs_that_are_equal_share_what_they_load(shared):
    COUNTED.clear()
    held = [scorer(Plug(())), scorer(Plug(())), embedding(Plug(())), embedding(Plug(()))]
    assert COUNTED == ["load", "embedder"]
    masks = [masker(Plug((), attributes=())), masker(Plug((), attributes=()))]
    assert COUNTED == ["load", "embedder", "load"] and held and masks
    scorer(Plug([])), scorer(Plug([]))
    assert COUNTED[3:] == ["load", "load"], "a list has no hash"
