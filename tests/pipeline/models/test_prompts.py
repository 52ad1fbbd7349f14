"""A prompt's embedding is what the model's own text encoder makes of it, and a model runs under it."""

import builtins
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pipeline.errors import UserError
from pipeline.models import pretrained
from pipeline.models.prompts import embedding, write_embedding
from tests.pipeline.planted_models import conditional_unet, save

WORDS = ["a", "photo", "of", "church", "cat"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A model whose text encoder, untrained, reads five words. Do not write into it."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("prompts") / "model"
    save(folder, unet=conditional_unet(sample_size=16, attention_head_dim=2, cross_attention_dim=12))
    letters = sorted(set("".join(WORDS)))
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(vocabulary)}))
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")
    settings = {"model_max_length": 24, "pad_token": "<|endoftext|>", "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer" / "tokenizer_config.json").write_text(json.dumps(settings))
    torch.manual_seed(0)
    config = transformers.CLIPTextConfig(
        vocab_size=len(vocabulary), hidden_size=12, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=24, bos_token_id=len(vocabulary) - 2, eos_token_id=len(vocabulary) - 1,
    )  # fmt: skip
    transformers.CLIPTextModel(config).save_pretrained(folder / "text_encoder")
    return folder


def test_a_prompt_is_embedded_as_stable_diffusion_s_pipeline_does(model):
    import transformers

    tokenizer = transformers.CLIPTokenizer.from_pretrained(model / "tokenizer")
    encoder = transformers.CLIPTextModel.from_pretrained(model / "text_encoder").eval()
    ids = tokenizer(
        "a photo of a cat", padding="max_length", max_length=24, truncation=True, return_tensors="pt"
    ).input_ids
    with torch.inference_mode():
        expected = encoder(ids, attention_mask=None)[0]
    ours = embedding(str(model), "a photo of a cat")
    assert ours.shape == (1, 24, 12)
    assert torch.equal(ours, expected)
    assert not torch.allclose(ours, embedding(str(model), ""), atol=1e-3)


def test_the_job_writes_a_condition_that_a_model_runs_under(model, tmp_path):
    to = tmp_path / "new" / "church.safetensors"
    job = [sys.executable, "-m", "jobs.embed_prompt", str(model), "a church", "--to", str(to)]
    done = subprocess.run(job, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert str(to) in done.stdout
    assert torch.equal(load_file(to)["encoder_hidden_states"], embedding(str(model), "a church"))
    found = pretrained.find(str(model), condition=str(to))
    x_t = torch.zeros(1, *found.x_shape)
    with torch.inference_mode():
        under, plain = (each.load().denoiser(x_t, 5)[0] for each in (found, pretrained.find(str(model))))
    assert not torch.allclose(under, plain, atol=1e-5)


def test_a_prompt_that_is_too_long(model):
    with pytest.raises(UserError, match="The prompt has .* tokens, and the text encoder reads 24 at most"):
        embedding(str(model), "a photo of a church of a cat of a church")


def test_a_text_encoder_that_is_damaged(model, tmp_path):
    import shutil

    copy = Path(shutil.copytree(model, tmp_path / "copy"))
    (copy / "text_encoder" / "model.safetensors").write_bytes(b"half")
    with pytest.raises(UserError, match="text_encoder cannot be read by transformers' CLIPTextModel"):
        embedding(str(copy), "a cat")


def test_a_model_without_a_text_encoder(tiny_model):
    pytest.importorskip("transformers")
    with pytest.raises(UserError, match="has no tokenizer/; expected tokenizer/ and text_encoder/ beside unet/"):
        embedding(str(tiny_model), "a cat")


def test_a_place_without_transformers_is_told_what_to_install(monkeypatch, tiny_model):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "transformers":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        UserError, match=r"which is not installed here.\npip install 'hspace-directions\[transformers\]'"
    ):
        embedding(str(tiny_model), "a cat")


def test_a_file_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_embedding(torch.zeros(1, 2, 3), tmp_path / "file" / "below.safetensors")
