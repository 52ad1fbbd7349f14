"""An image classifier of transformers scores what transformers' own pipeline says, as log odds of its classes."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from pipeline.annotators.border import embedding, scorer
from pipeline.annotators.description import log_odds
from pipeline.annotators.huggingface import huggingface
from pipeline.errors import UserError
from tests.pipeline.annotators.tiny_networks import huggingface_folder, pictures

transformers = pytest.importorskip("transformers")
IMAGES = pictures()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return huggingface_folder(tmp_path_factory.mktemp("huggingface") / "vit")


@pytest.fixture
def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copied")


def configured(folder, **changes) -> None:
    config = folder / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **changes}))


def logits(folder) -> np.ndarray:
    network = transformers.ViTForImageClassification.from_pretrained(folder).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    with torch.inference_mode():
        return (
            network(**processor([Image.fromarray(each) for each in IMAGES], return_tensors="pt"))
            .logits.double()
            .numpy()
        )


def test_the_library_s_own_classifier_says_the_same(folder):
    found = huggingface(str(folder))
    assert (found.name, found.attributes) == ("vit", ("smooth", "striped_or_barred", "dotted"))
    assert found.thresholds == (0, 0, 0)
    np.testing.assert_allclose(scorer(found)(IMAGES), log_odds(logits(folder)), atol=1e-4)
    pipeline = transformers.pipeline("image-classification", model=str(folder), device="cpu")
    chances = {each["label"]: each["score"] for each in pipeline(Image.fromarray(IMAGES[0]), top_k=3)}
    ours = 1 / (1 + np.exp(-found.load()(IMAGES[:1])[0]))
    np.testing.assert_allclose(ours, [chances[name] for name in ("smooth", "striped, or barred", "dotted")], atol=1e-4)


def test_what_the_classifier_s_last_layer_reads_are_its_features(folder):
    features = embedding(huggingface(str(folder)))(IMAGES)
    state = load_file(folder / "model.safetensors")
    weight, bias = state["classifier.weight"].numpy(), state["classifier.bias"].numpy()
    np.testing.assert_allclose(features @ weight.T + bias, logits(folder), atol=1e-4)


def test_a_classifier_of_several_labels_at_once_gives_its_logits(copied):
    configured(copied, problem_type="multi_label_classification")
    np.testing.assert_allclose(huggingface(str(copied)).load()(IMAGES), logits(copied), atol=1e-4)


def test_some_labels_alone(folder):
    some, all_three = huggingface(str(folder), labels="dotted", name="dots"), huggingface(str(folder))
    assert (some.name, some.attributes) == ("dots", ("dotted",))
    np.testing.assert_array_equal(some.load()(IMAGES)[:, 0], all_three.load()(IMAGES)[:, 2])


def test_how_images_are_fed_is_part_of_its_identity(folder, copied):
    assert huggingface(str(copied)).weights == huggingface(str(folder)).weights
    said = json.loads((copied / "preprocessor_config.json").read_text())
    (copied / "preprocessor_config.json").write_text(json.dumps({**said, "image_mean": [0.4, 0.5, 0.5]}))
    found = huggingface(str(copied))
    assert found.weights != huggingface(str(folder)).weights
    assert "image processor (height 32, width 32 pixels)" in found.describes


def test_a_network_without_its_last_layer_is_refused_and_not_made_up(copied):
    state = load_file(copied / "model.safetensors")
    save_file(
        {name: each for name, each in state.items() if "classifier" not in name},
        copied / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(UserError, match="lacks 2 tensors of ViTForImageClassification, classifier.bias first"):
        huggingface(str(copied)).load()


def test_a_pickle_is_read_as_tensors_alone(copied, folder):
    state = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    torch.save(state, copied / "pytorch_model.bin")
    np.testing.assert_allclose(
        huggingface(str(copied)).load()(IMAGES), huggingface(str(folder)).load()(IMAGES), atol=1e-6
    )
    torch.save({**state, "trap": transformers.ViTConfig()}, copied / "pytorch_model.bin")
    with pytest.raises(UserError, match="cannot be read as tensors alone"):
        huggingface(str(copied)).load()


def test_a_folder_that_is_none(tmp_path, copied):
    with pytest.raises(
        UserError, match="There is no classifier folder .*\nExpected a folder with config.json and weights"
    ):
        huggingface(str(tmp_path / "none"))
    configured(copied, architectures=["ViTModel"])
    with pytest.raises(UserError, match="is of ViTModel, which is no image classifier"):
        huggingface(str(copied))
    (copied / "preprocessor_config.json").unlink()
    with pytest.raises(UserError, match="has no preprocessor_config.json"):
        huggingface(str(copied))
    (copied / "config.json").unlink()
    with pytest.raises(UserError, match="has no config.json"):
        huggingface(str(copied))


def test_the_other_file_that_says_how_images_are_fed_is_part_of_what_it_is(copied):
    before, feeding = huggingface(str(copied)), json.loads((copied / "preprocessor_config.json").read_text())
    darker = {**feeding, "image_mean": [0.9] * 3}
    (copied / "processor_config.json").write_text(json.dumps({"image_processor": darker}))
    with pytest.raises(UserError, match="changed since it was first read"):
        scorer(before)(IMAGES)
    after = huggingface(str(copied))
    assert after.weights != before.weights
    assert np.abs(scorer(after)(IMAGES) - log_odds(logits(copied))).max() < 1e-4


def test_an_adapter_on_top_of_the_weights_is_refused(copied):
    (copied / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": "x/y"}))
    with pytest.raises(UserError, match=r"adapter_config\.json says that an adapter goes on top"):
        huggingface(str(copied))


def test_weights_that_are_to_be_quantised_are_another_network(copied):
    before = huggingface(str(copied)).weights
    configured(copied, quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True})
    assert huggingface(str(copied)).weights != before
