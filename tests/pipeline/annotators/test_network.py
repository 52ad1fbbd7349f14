"""What networks have in common: they evaluate, whatever is handed over, and are made of tensors alone."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pipeline.annotators.network import fill, in_batches, named, ready, tensors, with_features
from pipeline.errors import UserError


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 2))


def test_a_network_that_is_handed_over_in_training_mode_is_switched():
    given = network().train()
    found = ready(given)
    assert not any(each.training for each in found.modules())
    assert not any(each.requires_grad for each in found.parameters())
    x = torch.randn(5, 4)
    assert torch.equal(found(x)[:1], found(x)[:1]) and torch.allclose(found(x)[:1], found(x[:1]))


def test_outputs_have_names_however_they_are_returned():
    one, two = torch.ones(2, 1), torch.zeros(2, 3, dtype=torch.float16)
    assert list(named(one)) == ["0"] and list(named((one, None, two))) == ["0", "2"]
    assert named({"logits": two, "loss": None})["logits"].dtype == np.float32


def test_what_the_last_layer_reads_is_found():
    held = ready(network())
    x = torch.randn(5, 4)
    features = with_features(held, "here")(x)["features"]
    assert torch.allclose(held[3](features), held(x))
    with pytest.raises(UserError, match="here offers no features"):
        with_features(nn.Conv2d(3, 2, 1), "here")(torch.zeros(1, 3, 4, 4))
    with pytest.raises(UserError, match="here offers no features"):
        with_features(nn.Linear(4, 2), "here")(torch.zeros(1, 7, 4))


def test_batches_of_one_size_are_filled_up_and_cut():
    sizes = []

    def run(images):
        sizes.append(len(images))
        return {"sum": images.sum((1, 2)).numpy()}

    x = torch.randn(7, 2, 3)
    np.testing.assert_allclose(in_batches(run, 3)(x)["sum"], x.sum((1, 2)).numpy(), rtol=1e-5)
    assert sizes == [3, 3, 3] and in_batches(run, None) is run


def test_tensors_are_read_from_safetensors_and_from_pickles_of_nothing_else(tmp_path):
    state = network().state_dict()
    save_file(state, tmp_path / "a.safetensors")
    torch.save({"state_dict": {f"module.{name}": each for name, each in state.items()}}, tmp_path / "a.pt")
    for file in ("a.safetensors", "a.pt"):
        found = tensors(tmp_path / file)
        assert found.keys() == state.keys() and all(torch.equal(found[name], state[name]) for name in state)
    torch.save({"epoch": 3, "weights": state}, tmp_path / "b.pt")
    with pytest.raises(UserError, match="holds no tensors by name, as a state_dict does"):
        tensors(tmp_path / "b.pt")
    torch.save(network(), tmp_path / "c.pt")
    with pytest.raises(UserError, match="cannot be read as tensors alone"):
        tensors(tmp_path / "c.pt")
    (tmp_path / "half.safetensors").write_bytes(b"half")
    with pytest.raises(UserError, match="half a file"):
        tensors(tmp_path / "half.safetensors")


def test_weights_of_another_network_or_that_are_not_finite_are_refused():
    state = network().state_dict()
    with pytest.raises(
        UserError, match="it lacks 1 tensors, 0.weight first and has 1 that the network has not, x first"
    ):
        fill(
            network(),
            {**{name: each for name, each in state.items() if name != "0.weight"}, "x": torch.zeros(1)},
            "file",
        )
    with pytest.raises(UserError, match=r"0.weight has the shape \(3, 5\); this architecture makes it \(3, 4\)"):
        fill(network(), {**state, "0.weight": torch.zeros(3, 5)}, "file")
    with pytest.raises(UserError, match="3.bias holds NaN or infinity"):
        fill(network(), {**state, "3.bias": torch.tensor([1.0, torch.nan])}, "file")
    assert torch.equal(fill(network(), state, "file").state_dict()["0.weight"], state["0.weight"])
