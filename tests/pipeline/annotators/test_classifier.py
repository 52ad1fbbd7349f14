"""A classifier of a folder scores what the library's own network and transforms make of an image."""

import json
import shutil

import numpy as np
import pytest
import timm
import torch
import torchvision
from huggingface_hub import constants
from PIL import Image
from safetensors.torch import load_file, save_file
from torchvision.transforms import v2

from pipeline.annotators import registry
from pipeline.annotators.base import embeds
from pipeline.annotators.classifier import classifier
from pipeline.annotators.description import log_odds
from pipeline.errors import UserError
from pipeline.fingerprint import fingerprint, settings
from tests.pipeline.annotators import tiny_networks

IMAGES = tiny_networks.pictures()


@pytest.fixture(scope="module")
def buildings(tmp_path_factory):
    return tiny_networks.torchvision_folder(tmp_path_factory.mktemp("torchvision") / "buildings")


@pytest.fixture(scope="module")
def textures(tmp_path_factory):
    return tiny_networks.timm_folder(tmp_path_factory.mktemp("timm") / "textures")


@pytest.fixture
def copied(buildings, tmp_path):
    return shutil.copytree(buildings, tmp_path / "copied")


def said(folder, **changes) -> None:
    config = folder / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **changes}))


def test_torchvision_s_own_network_and_transforms_say_the_same(buildings):
    network = torchvision.models.shufflenet_v2_x0_5(num_classes=2)
    network.load_state_dict(load_file(buildings / "model.safetensors"))
    network.eval()
    transform = v2.Compose(
        [
            v2.Resize(40, v2.InterpolationMode.BICUBIC),
            v2.CenterCrop(32),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    with torch.inference_mode():
        pixels = torch.stack([transform(Image.fromarray(image)) for image in IMAGES])
        expected = network(pixels).numpy()
        last, network.fc = network.fc, torch.nn.Identity()
        features = network(pixels).numpy()
        assert np.allclose(last(torch.from_numpy(features)), expected, atol=1e-5)
    found = classifier(str(buildings))
    assert (found.name, found.attributes) == ("buildings", ("tower", "sky")) and found.thresholds[0] == 0.5
    spread = expected.std(0)
    assert (spread > 0).all()
    np.testing.assert_allclose(found.load()(IMAGES), expected, atol=0.05 * spread.max())
    np.testing.assert_allclose(found.embedder()(IMAGES), features, atol=0.05 * features.std())


def test_timm_s_own_config_is_read_as_it_is(textures):
    config = json.loads((textures / "config.json").read_text())
    assert config["pretrained_cfg"]["crop_pct"] == 0.95 and "outputs" not in config
    network = timm.create_model("test_resnet", num_classes=3)
    network.load_state_dict(load_file(textures / "model.safetensors"))
    network.eval()
    transform = timm.data.create_transform(**timm.data.resolve_data_config(config["pretrained_cfg"]))
    with torch.inference_mode():
        pixels = torch.stack([transform(Image.fromarray(image)) for image in IMAGES])
        expected = log_odds(network(pixels).double().numpy())
        features = network.forward_head(network.forward_features(pixels), pre_logits=True).numpy()
    found = classifier(str(textures))
    assert found.attributes == ("smooth", "striped", "dotted") and found.thresholds == (0, 0, 0)
    np.testing.assert_allclose(found.load()(IMAGES), expected, atol=0.03 * expected.std(0).max())
    np.testing.assert_allclose(found.embedder()(IMAGES), features, atol=0.03 * features.std())
    np.testing.assert_array_equal(
        classifier(str(textures), labels="dotted").load()(IMAGES)[:, 0], found.load()(IMAGES)[:, 2]
    )


def test_labels_of_imagenet_are_known_where_timm_s_config_has_none(tmp_path):
    network = timm.create_model("test_vit")
    timm.models.save_for_hf(network, tmp_path, safe_serialization=True)
    found = classifier(str(tmp_path), name="things", labels="tench,crane,crane_2")
    assert found.attributes == ("tench", "crane", "crane_2") and found.name == "things"


def test_weights_and_what_is_said_of_them_are_its_identity_and_where_they_lie_is_not(buildings, copied):
    found, elsewhere = (classifier(str(folder), name="same") for folder in (buildings, copied))
    assert fingerprint(settings(found)) == fingerprint(settings(elsewhere))
    said(copied, describes="Towers.")
    assert fingerprint(settings(classifier(str(copied), name="same"))) == fingerprint(settings(found)), "words"
    said(copied, preprocessing={**tiny_networks.FEEDING, "resize": "squash"})
    assert fingerprint(settings(classifier(str(copied), name="same"))) != fingerprint(settings(found))
    state = load_file(copied / "model.safetensors")
    state["fc.bias"] += 1
    save_file(state, copied / "model.safetensors")
    assert classifier(str(copied)).weights != found.weights


def test_weights_that_change_after_it_was_made_are_refused(copied):
    found = classifier(str(copied))
    (copied / "model.safetensors").write_bytes(b"other")
    with pytest.raises(UserError, match="has changed since it was first read"):
        found.load()


def test_a_pickle_is_read_as_tensors_alone(copied):
    expected = classifier(str(copied)).load()(IMAGES)
    state = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    torch.save({f"module.{name}": each for name, each in state.items()}, copied / "model.pth")
    np.testing.assert_array_equal(classifier(str(copied)).load()(IMAGES), expected)
    torch.save({"network": torchvision.models.shufflenet_v2_x0_5(num_classes=2)}, copied / "model.pth")
    with pytest.raises(UserError, match="cannot be read as tensors alone .*, and nothing else in it is run"):
        classifier(str(copied))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"architecture": "shufflenet_v2_x0_"},
            "torchvision has no architecture 'shufflenet_v2_x0_'; it has shufflenet_v2_x0_5",
        ),
        ({"library": "timm"}, "timm has no architecture 'shufflenet_v2_x0_5'"),
        ({"architecture": "resnet18"}, "holds another network's weights: it lacks .* and has"),
        ({"arguments": {"widths": 3}}, "torchvision makes no shufflenet_v2_x0_5 of"),
        (
            {"outputs": [{"means": "logit", "attributes": ["a", "b", "c"]}]},
            r"fc.weight has the shape \(2, 1024\); .* \(3, 1024\)",
        ),
    ],
)
def test_what_does_not_fit_is_told_before_any_work(changes, message, copied):
    said(copied, **changes)
    with pytest.raises(UserError, match=message):
        classifier(str(copied))


def test_a_network_that_ends_otherwise_has_no_features(tmp_path):
    network = torchvision.models.squeezenet1_1(num_classes=1)
    outputs = [{"means": "logit", "attributes": ["tower"]}]
    small = {"size": 32, "resize": "squash"}
    tiny_networks.written(
        tmp_path, library="torchvision", architecture="squeezenet1_1", outputs=outputs, preprocessing=small
    )
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    found = classifier(str(tmp_path))
    assert found.load()(IMAGES).shape == (4, 1) and not embeds(found)
    with pytest.raises(UserError, match="offers no features to compare images by.\nIt does not end in a linear layer"):
        registry.embedder(f"classifier:{tmp_path}")


def test_a_folder_without_its_files(tmp_path, copied):
    with pytest.raises(UserError, match="There is no classifier folder .*nowhere.\nExpected a folder with config.json"):
        classifier(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="has no config.json. Write one"):
        classifier(str(tmp_path))
    save_file({"a": torch.zeros(1)}, copied / "other.safetensors")
    with pytest.raises(UserError, match="holds 2 files of weights"):
        classifier(str(copied))
    for file in copied.glob("*.safetensors"):
        file.unlink()
    with pytest.raises(UserError, match="holds no weights; expected model.safetensors"):
        classifier(str(copied))


def test_timm_s_config_without_names_of_its_classes(textures, tmp_path):
    copy = shutil.copytree(textures, tmp_path / "copy")
    said(copy, label_names=None)
    with pytest.raises(UserError, match="names 0 of 3 classes. Write their names into it, in order, as label_names"):
        classifier(str(copy))


def test_a_repository_of_the_hub_in_the_cache(textures, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--planted--textures.v1"
    shutil.copytree(textures, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    found = classifier("planted/textures.v1")
    assert found.name == "textures.v1" and found.weights == classifier(str(textures)).weights
    assert classifier(f"planted/textures.v1@{commit}") == found
    with pytest.raises(UserError, match="planted/none is no folder here, and the hub did not give it"):
        classifier("planted/none")
