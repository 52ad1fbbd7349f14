"""What the inversion benchmark computes; its timings are its own."""

from dataclasses import replace

import pandas as pd
import pytest
import torch

from benchmarks.inversion import Measured, Way, compared, elsewhere, exact, in_turns, psnr, ways
from pipeline.hspace import inversion
from pipeline.hspace.inversion import Inverted
from pipeline.hspace.noise import NoiseStreams
from pipeline.models import pretrained
from tests.pipeline.planted_effects import indexed


@pytest.fixture(scope="module")
def model(tiny_model) -> pretrained.Model:
    return pretrained.find(str(tiny_model))


@pytest.fixture(scope="module")
def loaded(model) -> pretrained.LoadedModel:
    return model.load()


def test_psnr_is_by_image_and_of_what_can_be_shown():
    x_0 = torch.tensor([0.0, 0.0, 1.0]).view(3, 1, 1, 1).expand(3, 3, 4, 4)
    x = x_0 + torch.tensor([0.02, 0.2, 0.0]).view(3, 1, 1, 1)
    x[2, 0] = -1.0  # a third of the image, by the whole range
    assert psnr(x, x_0) == pytest.approx([40, 20, 4.771], abs=1e-3)
    assert psnr(x_0 + 5, x_0)[2] == float("inf")


def test_every_batch_goes_through_every_way_in_turns():
    turns = []

    def way(name: str, error: float) -> Way:
        return Way(1, lambda x: turns.append(name) or x + 1, lambda x: x - 1 + error)

    measured = in_turns({"a": way("a", 0.02), "b": way("b", 0.2)}, torch.zeros(5, 3, 4, 4).split(2))
    assert "".join(turns) == "ab" + "ba" + "ab"
    assert {name: len(each.seconds) for name, each in measured.items()} == {"a": 3, "b": 3}
    assert measured["a"].decibels == pytest.approx([40] * 5, abs=1e-3)
    assert measured["b"].decibels == pytest.approx([20] * 5, abs=1e-3)


def test_each_is_compared_with_diffusers_at_as_many_passes():
    figures = compared(
        {
            "1 iteration": Measured([20.0, 22.0], [3.0, 30.0, 2.0]),
            "2 iterations": Measured([30.0, 32.0], [4.0]),
            "diffusers": Measured([17.0, 19.0], [2.0, 20.0, 2.0]),  # on a machine that is busy in the second batch
            "diffusers, 2 T": Measured([25.0, 25.0], [4.0]),
        }
    )
    assert (figures["dB_over_diffusers"], figures["dB_over_diffusers_same_passes"]) == (3, 6)
    assert figures["time_to_diffusers"] == 1.5


def test_both_sides_come_back_by_the_same_process(model, loaded):
    """From one x_T, so that what differs is the way there."""
    contenders = ways(model, loaded, 4)
    x_T = NoiseStreams(0, range(2), model.x_shape).x_T()
    torch.testing.assert_close(contenders["diffusers"].back(x_T), contenders["1 iteration"].back(x_T))
    there = [contenders[name].there(x_T) for name in ("1 iteration", "2 iterations", "diffusers", "diffusers, 2 T")]
    assert all(not torch.allclose(a, b) for i, a in enumerate(there) for b in there[:i])


def test_passes_are_those_of_the_unet(model, loaded):
    passes = []
    handle = loaded.denoiser.unet.register_forward_hook(lambda *_: passes.append(1))
    try:
        for name, way in ways(model, loaded, 4).items():
            passes.clear()
            way.there(torch.zeros(1, *model.x_shape))
            assert len(passes) == way.passes, name
    finally:
        handle.remove()


def test_what_does_not_come_back_is_seen(model, loaded, monkeypatch):
    batches = (torch.rand(4, *model.x_shape, generator=torch.Generator().manual_seed(0)) * 2 - 1).split(2)
    figures = exact(model, loaded, batches)
    assert figures["edit_friendly_largest_difference"] < 1e-5 and figures["edit_friendly_same_bytes"] == 1

    found = inversion.edit_friendly

    def nearly(*arguments: object) -> Inverted:
        inverted = found(*arguments)
        assert inverted.added is not None
        error = torch.zeros_like(inverted.added)
        error[-1, 0] = 0.1  # in the first image of every batch
        return replace(inverted, added=inverted.added + error)

    monkeypatch.setattr(inversion, "edit_friendly", nearly)
    figures = exact(model, loaded, batches)
    assert figures["edit_friendly_largest_difference"] == pytest.approx(0.1, rel=0.01)
    assert figures["edit_friendly_same_bytes"] == 0.5


def test_an_attribute_has_the_effect_where_others_chose_it():
    def rows(direction: str, strength: float, control: bool = False, **effects: float) -> list[dict[str, object]]:
        shared = {"direction": direction, "control": control, "strength": strength}
        return [{**shared, "attribute": attribute, "effect": effect} for attribute, effect in effects.items()]

    chose = pd.DataFrame(
        rows("smile/a", 1.0, smile=2.0, yaw=1.5)
        + rows("smile/a", 0.5, smile=0.8, yaw=0.1)
        + rows("smile/b", -1.0, smile=-1.2, yaw=0.3)
        + rows("yaw/a", 1.0, smile=0.9, yaw=2.0)
        + rows("random", 1.0, True, smile=-0.2, yaw=0.1)
    )
    report = pd.DataFrame(
        rows("smile/a", 1.0, smile=3.0, yaw=0.1)  # by luck the best of all here
        + rows("smile/a", 0.5, smile=0.8, yaw=0.1)
        + rows("smile/b", -1.0, smile=-1.1, yaw=0.2)
        + rows("yaw/a", 1.0, smile=0.9, yaw=2.0)
        + rows("random", 1.0, True, smile=-0.2, yaw=0.1)
    )
    targets = {"smile/a": "smile", "smile/b": "smile", "yaw/a": "yaw"}
    figures = elsewhere(indexed(report).assign(n=24), indexed(chose).assign(n=12), targets)
    assert (figures["smile_clean_effect"], figures["smile_off_target"]) == (1.1, 0.2)
    assert (figures["yaw_clean_effect"], figures["yaw_off_target"]) == (0, 0.9)
    assert (figures["attributes_clean_at_1"], figures["largest_control"]) == (1, 0.2)
