"""Pickled weights are read as tensors or not at all: nothing in a file runs, and what was made of it is made once."""

import hashlib
import io
import json
import os
import pickle
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pipeline.errors import UserError
from pipeline.formats.hashes import sha256
from pipeline.hspace.noise import NoiseStreams
from pipeline.models import pickles, pretrained
from tests.pipeline.models.making_weights import PICKLE, SAFE, old_names, pickled, prefixed
from tests.pipeline.planted_models import save_latent


@pytest.fixture
def model(tiny_model, tmp_path) -> Path:
    """A copy of the tiny model, to be changed."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def same_network(model: Path, expected: Path, part: str = "unet") -> bool:
    """Whether all weights are those of another model, bit for bit."""
    ours, theirs = (_network(pretrained.find(str(each)).load(), part).state_dict() for each in (model, expected))
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


def _network(loaded, part: str):
    return loaded.denoiser.unet if part == "unet" else loaded.autoencoder.network


def refused(model: Path, match: str) -> str:
    with pytest.raises(UserError, match=match) as error:
        pretrained.find(str(model))
    assert len(str(error.value).splitlines()) <= 4
    assert "weights_only" not in str(error.value), "torch's advice to read it without protection"
    return str(error.value)


# What is read


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before 2020"])
@pytest.mark.parametrize("change", [dict, old_names, prefixed("module."), lambda held: {"state_dict": held}])
def test_a_pickle_is_the_same_network_as_the_safetensors(model, tiny_model, zipped, change):
    path = pickled(model / "unet", change=change, _use_new_zipfile_serialization=zipped)
    found = pretrained.find(str(model))
    assert found.weights == sha256(path), "known by what the user has"
    assert same_network(model, tiny_model)


def test_parameters_and_parts_of_larger_tensors_are_tensors(model, tiny_model):
    def odd(held: dict) -> dict:
        bias = held["conv_in.bias"]
        return {
            **held,
            "conv_in.bias": torch.cat([bias, bias])[: len(bias)],
            "conv_in.weight": torch.nn.Parameter(held["conv_in.weight"]),
            "time_embedding.linear_1.weight": held["time_embedding.linear_1.weight"].t().contiguous().t(),
            "mid_block.attentions.0.to_k.weight": (shared := held["mid_block.attentions.0.to_q.weight"]),
            "mid_block.attentions.0.to_q.weight": shared,
        }

    pickled(model / "unet", change=odd)
    ours = pretrained.find(str(model)).load().denoiser.unet.state_dict()
    theirs = odd(load_file(tiny_model / "unet" / SAFE))
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("name", ["fp16", "non_ema"])
def test_a_variant_alone(model, tiny_model, name):
    path = pickled(model / "unet", f"diffusion_pytorch_model.{name}.bin")
    assert pretrained.find(str(model)).weights == sha256(path)
    assert same_network(model, tiny_model)


@pytest.mark.parametrize(
    ("index", "shard"),
    [
        ("diffusion_pytorch_model.bin.index.json", "diffusion_pytorch_model-0000{}-of-00002.bin"),
        ("diffusion_pytorch_model.bin.index.fp16.json", "diffusion_pytorch_model-0000{}-of-00002.fp16.bin"),
        ("diffusion_pytorch_model.fp16.bin.index.json", "diffusion_pytorch_model.fp16-0000{}-of-00002.bin"),
    ],
)
def test_shards(model, tiny_model, index, shard):
    held = load_file(model / "unet" / SAFE)
    (model / "unet" / SAFE).unlink()
    names = sorted(held)
    placed = {key: shard.format(1 + (place % 2)) for place, key in enumerate(names)}
    for file in set(placed.values()):
        torch.save({key: held[key] for key in names if placed[key] == file}, model / "unet" / file)
    (model / "unet" / index).write_text(json.dumps({"weight_map": placed}))

    files = [(model / "unet" / shard.format(number)).read_bytes() for number in (1, 2)]
    assert pretrained.find(str(model)).weights == hashlib.sha256(b"".join(files)).hexdigest()
    assert same_network(model, tiny_model)
    (model / "unet" / index).unlink()
    refused(model, rf"holds shards of weights \({shard.format(1)}\) without their index.\nCopy .*\.bin\.index\.json")


@pytest.mark.parametrize("part", ["vqvae", "vae"])
def test_an_autoencoder(tmp_path, part):
    expected = save_latent(tmp_path / "expected", part)
    model = Path(shutil.copytree(expected, tmp_path / "model"))
    path = pickled(model / part, change=old_names)
    assert pretrained.find(str(model)).autoencoder_weights == sha256(path)
    assert same_network(model, expected, part)


def test_safetensors_win_and_the_pickle_beside_them_is_not_even_opened(model, kept):
    (model / "unet" / PICKLE).write_bytes(b"whatever")
    (model / "unet" / "diffusion_pytorch_model.fp16.bin").write_bytes(b"whatever")
    assert pretrained.find(str(model)).weights == sha256(model / "unet" / SAFE)
    assert not kept.exists()


# What is kept


def test_a_pickle_is_converted_once(model, kept, monkeypatch):
    path = pickled(model / "unet")
    found = pretrained.find(str(model))
    [made] = kept.iterdir()
    assert made.name == f"{sha256(path)}-{sha256(made)}.safetensors"

    monkeypatch.setattr(pickles, "read", lambda _: pytest.fail("read again"))
    assert pretrained.find(str(model)) == found
    found.load()
    assert list(kept.iterdir()) == [made]


@pytest.mark.parametrize(
    "damage", [lambda held: held[:-100], lambda held: held[:-1] + bytes([held[-1] ^ 1]), lambda _: b""]
)
def test_what_was_kept_and_is_damaged_is_made_again(model, tiny_model, kept, damage):
    pickled(model / "unet")
    found = pretrained.find(str(model))
    [made] = kept.iterdir()
    whole = made.read_bytes()
    made.write_bytes(damage(whole))
    assert same_network(model, tiny_model)
    assert made.read_bytes() == whole

    made.write_bytes(damage(whole))
    found.load()
    assert made.read_bytes() == whole, "found damaged between finding and loading, on another machine say"


def test_a_conversion_that_fails_leaves_nothing(model, kept, monkeypatch):
    pickled(model / "unet")

    def half(_tensors, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(pickles, "save_file", half)
        refused(
            model,
            "could not be kept as safetensors in .*No space left.*\nMake room there, or .*HSPACE_DIRECTIONS_CACHE",
        )
    assert list(kept.iterdir()) == []


def test_a_pickle_that_changes_while_it_is_read_is_not_kept(model, kept, monkeypatch):
    path = pickled(model / "unet")
    read = pickles.read

    def changing(file: Path) -> dict:
        tensors = read(file)
        file.write_bytes(file.read_bytes() + b"more")
        return tensors

    monkeypatch.setattr(pickles, "read", changing)
    refused(model, f"{path.name} has changed since it was first read")
    assert list(kept.iterdir()) == []


def test_a_pickle_that_changed_after_it_was_found_is_not_loaded(model):
    path = pickled(model / "unet")
    found = pretrained.find(str(model))
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(UserError, match="has changed since it was first read"):
        found.load()


def test_where_it_is_kept(monkeypatch, tmp_path):
    monkeypatch.delenv(pickles.CACHE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert pickles.cache() == tmp_path / "xdg" / "hspace-directions"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert pickles.cache() == tmp_path / "home" / ".cache" / "hspace-directions"


# What is refused, and that nothing in it ran


class Payload:
    """Leaves a file where it is unpickled."""

    def __init__(self, call, *arguments):
        self.call = (call, arguments)

    def __reduce__(self):
        return self.call


@pytest.fixture(params=["os.system", "eval", "open"])
def payload(request, tmp_path):
    """Something that leaves `ran` behind, which is looked for after the test."""
    ran = tmp_path / "ran"
    calls = {
        "os.system": Payload(os.system, f"touch {ran}"),
        "eval": Payload(eval, f"open({str(ran)!r}, 'w')"),
        "open": Payload(open, str(ran), "w"),
    }
    yield calls[request.param]
    assert not ran.exists(), "it ran"


def test_the_payload_is_one(tmp_path):
    pickle.loads(pickle.dumps(Payload(os.system, f"touch {tmp_path / 'ran'}")))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "place", [lambda evil: {"extra": evil}, lambda evil: evil, lambda evil: {"state_dict": {"a": evil}}]
)
@pytest.mark.parametrize("forced", ["0", "1"])
def test_nothing_in_a_pickle_runs(model, kept, payload, zipped, place, forced, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", forced)
    pickled(model / "unet", change=lambda _: place(payload), _use_new_zipfile_serialization=zipped)
    refused(model, r"holds more than tensors: it asks for \S*(system|eval|open)\. Nothing in it was run")
    assert not kept.exists()


def test_nothing_in_a_shard_runs(model, payload):
    held = load_file(model / "unet" / SAFE)
    (model / "unet" / SAFE).unlink()
    shards = [f"diffusion_pytorch_model-0000{number}-of-00002.bin" for number in (1, 2)]
    torch.save(held, model / "unet" / shards[0])
    torch.save({"a": payload}, model / "unet" / shards[1])
    index = dict.fromkeys(held, shards[0]) | {"a": shards[1]}
    (model / "unet" / f"{PICKLE}.index.json").write_text(json.dumps({"weight_map": index}))
    refused(model, f"{shards[1]} holds more than tensors")


def test_nothing_in_an_archive_of_2016_or_a_bare_pickle_runs(model, payload):
    path = pickled(model / "unet")
    path.write_bytes(pickle.dumps({"a": payload}))
    refused(model, "cannot be read|more than tensors")
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            content = pickle.dumps(payload)
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    refused(model, "cannot be read|more than tensors: it is in the legacy .tar format")


@pytest.mark.parametrize(
    ("held", "named"),
    [
        ({"state_dict": {"a": torch.zeros(1)}, "epoch": 3}, "under 'state_dict' is one of type dict"),
        ({"a": torch.zeros(1), "step": 3}, "under 'step' is one of type int"),
        ({"a": torch.zeros(1), "note": "x"}, "under 'note' is one of type str"),
        ({0: torch.zeros(1)}, "under 0 is a Tensor"),
        ({"a": [torch.zeros(1)]}, "under 'a' is one of type list"),
        ({"a": torch.eye(3).to_sparse()}, "under 'a' is a Tensor of torch.float32, torch.sparse_coo"),
        ({"a": torch.zeros(2, device="meta")}, "under 'a' is a Tensor of torch.float32, .*on meta"),
        ({"a": torch.zeros(2, dtype=torch.complex64)}, "under 'a' is a Tensor of torch.complex64"),
        ([torch.zeros(1)], "holds one object, a list; expected a dictionary of tensors by name"),
        (torch.zeros(1), "holds one object, a Tensor; expected"),
        ({}, "holds nothing; expected"),
        ({"state_dict": {}}, "holds nothing; expected"),
        ({"a": np.zeros(3)}, "it asks for numpy.*_reconstruct. Nothing in it was run"),
        (torch.nn.Linear(2, 2), "it asks for torch.nn.modules.linear.Linear"),
    ],
    ids=str,
)
def test_what_is_not_a_tensor_is_refused_by_its_name_and_type(model, kept, held, named):
    pickled(model / "unet", change=lambda _: held)
    refused(model, named)
    assert not kept.exists()


def test_a_compiled_program_is_refused(model):
    path = pickled(model / "unet")
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), path)
    refused(model, "holds more than tensors: it is in the TorchScript format")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kept_bytes", [4, 1000, 0.5, -100])
def test_half_a_pickle(model, zipped, kept_bytes):
    path = pickled(model / "unet", _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept_bytes) if kept_bytes == 0.5 else kept_bytes])
    refused(model, f"{PICKLE} cannot be read as what torch.save wrote .*\nHalf a file.* Copy it again")


def test_a_page_of_the_hub_in_its_place(model):
    pickled(model / "unet").write_text("<!doctype html>Entry not found")
    refused(model, f"{PICKLE} cannot be read as what torch.save wrote")


def test_names_and_shapes_are_checked_as_those_of_safetensors(model):
    pickled(model / "unet", change=lambda held: {**held, "conv_in.bias": torch.zeros(9)})
    refused(model, rf"{PICKLE}: conv_in.bias has shape \(9,\), but config.json makes it \(8,\)")


def test_torch_of_before_reads_no_pickles(model, monkeypatch):
    """Its restricted unpickler could be got out of."""
    pickled(model / "unet")
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    refused(model, "is a pickle, and torch 2.9.1\\+cpu does not read those safely. Install torch 2.10 or newer")


def test_a_pickled_model_runs(model, tiny_model):
    pickled(model / "unet")
    x = NoiseStreams(1, [0], (3, 16, 16)).x_T()
    ours, theirs = (pretrained.find(str(each)).load().denoiser(x, 500)[0] for each in (model, tiny_model))
    assert torch.equal(ours, theirs)
