"""CLIP scores the difference of the logits that transformers' own model gives for two prompts."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.annotators import clip as module
from pipeline.annotators.border import embedding, scorer
from pipeline.annotators.clip import PROMPTS, clip, read_prompts
from pipeline.errors import UserError
from pipeline.fingerprint import fingerprint, settings
from tests.pipeline.annotators import tiny_networks
from tests.pipeline.annotators.tiny_networks import clip_folder, pictures

transformers = pytest.importorskip("transformers")
IMAGES = pictures()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return clip_folder(tmp_path_factory.mktemp("clip") / "small clip")


def test_a_score_is_the_difference_of_two_logits(folder, tmp_path):
    network = transformers.CLIPModel.from_pretrained(folder).eval()
    texts = [prompt for pair in tiny_networks.PROMPTS.values() for prompt in pair]
    tokens = transformers.CLIPTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    pixels = transformers.AutoImageProcessor.from_pretrained(folder)(
        [Image.fromarray(each) for each in IMAGES], return_tensors="pt"
    )
    with torch.inference_mode():
        logits = network(**tokens, **pixels).logits_per_image.numpy()
    found = clip(str(folder), prompts=tiny_networks.prompts_file(tmp_path / "prompts.toml"))
    assert (found.name, found.attributes, found.thresholds) == ("small_clip", ("striped", "bright"), (0, 0))
    np.testing.assert_allclose(scorer(found)(IMAGES), logits[:, ::2] - logits[:, 1::2], atol=1e-3)
    assert np.abs(logits[:, 0] - logits[:, 1]).max() > 0.1


def test_its_image_features_are_unit_vectors_that_compare_images(folder):
    features = embedding(clip(str(folder)))(IMAGES)
    network = transformers.CLIPModel.from_pretrained(folder).eval()
    pixels = transformers.AutoImageProcessor.from_pretrained(folder)(
        [Image.fromarray(each) for each in IMAGES], return_tensors="pt"
    )
    with torch.inference_mode():
        theirs = network.visual_projection(network.vision_model(**pixels).pooler_output)
    np.testing.assert_allclose(features, torch.nn.functional.normalize(theirs, dim=-1), atol=1e-5)


def test_prompts_are_embedded_once(folder, monkeypatch):
    embedded = []
    real = module._of_texts
    monkeypatch.setattr(module, "_of_texts", lambda *of: embedded.append(of[2]) or real(*of))
    score = clip(str(folder), labels="age").load()
    for _ in range(3):
        score(IMAGES)
    assert embedded == [("An old person",), ("A young person",)]


def test_the_default_prompts_are_the_paper_s():
    assert read_prompts(PROMPTS) == (
        ("smile", "A smiling person", "A person"),
        ("glasses", "A person wearing glasses", "A person"),
        ("age", "An old person", "A young person"),
        ("gender", "A man", "A woman"),
        ("hat", "A person wearing a hat", "A person"),
    )


def test_prompts_are_part_of_its_identity(folder, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"tower": ["a tower", "a hut"]}))
    (tmp_path / "b.toml").write_text('tower = ["a tower", "a house"]')
    one, other = (clip(str(folder), prompts=tmp_path / file) for file in ("a.json", "b.toml"))
    assert one.attributes == other.attributes == ("tower",)
    assert fingerprint(settings(one)) != fingerprint(settings(other)) and one.weights == other.weights
    assert 'tower: "a tower" against "a hut"' in one.describes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('tower = ["a tower"]', "under 'tower' is \\['a tower'\\]"),
        ('tower = "a tower"', "under 'tower' is 'a tower'"),
        ("", "there are none"),
        ("tower", "cannot be read as prompts"),
    ],
)
def test_prompts_that_are_no_pairs(text, said, folder, tmp_path):
    (tmp_path / "prompts.toml").write_text(text)
    with pytest.raises(UserError, match=said):
        clip(str(folder), prompts=tmp_path / "prompts.toml")


def test_a_prompt_that_is_too_long_and_one_that_is_not_there(folder, tmp_path):
    (tmp_path / "long.toml").write_text(f'tower = ["{"very " * 20}high", "low"]')
    with pytest.raises(UserError, match="is longer than the 40 tokens"):
        clip(str(folder), prompts=tmp_path / "long.toml").load()
    with pytest.raises(
        UserError, match="table_1.toml has no attribute 'tower'; it has 5, smile, glasses, age, gender, hat among"
    ):
        clip(str(folder), labels="tower")
