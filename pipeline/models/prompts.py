"""The embedding of a prompt, by a model's own tokenizer/ and text_encoder/. It needs transformers, which nothing else here does."""

import re
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from pipeline.errors import UserError
from pipeline.formats import hub

PARTS = ("tokenizer", "text_encoder")
_FETCHED = re.compile(r"tokenizer/.*|text_encoder/(config\.json|model.*\.safetensors.*)")  # no pickles


def embedding(model: str, prompt: str) -> Tensor:
    """What a U-Net with cross-attention reads of a prompt, as StableDiffusionPipeline makes it: (1, tokens, D) float32.

    model: a folder or a hub id. Raises UserError without transformers, and for a model that has no text encoder of its own.
    """
    transformers = _transformers()
    folder = _located(model)
    if missing := [part for part in PARTS if not (folder / part).is_dir()]:
        raise UserError(
            f"{folder} has no {missing[0]}/; expected {' and '.join(f'{part}/' for part in PARTS)} beside unet/.\n"
            "Copy the whole model, or make the embedding where it is and name its file as the condition."
        )
    tokenizer = _loaded(transformers.CLIPTokenizer, folder / "tokenizer")
    encoder = _loaded(transformers.CLIPTextModel, folder / "text_encoder", use_safetensors=True).float().eval()
    longest = tokenizer.model_max_length
    asked = tokenizer(prompt).input_ids
    if len(asked) > longest:
        raise UserError(
            f"The prompt has {len(asked)} tokens, and the text encoder reads {longest} at most. Make the prompt shorter."
        )
    tokens = tokenizer(prompt, padding="max_length", max_length=longest, return_tensors="pt")
    masked = getattr(encoder.config, "use_attention_mask", False)  # as Stable Diffusion's pipelines have it
    with torch.inference_mode():
        return encoder(tokens.input_ids, attention_mask=tokens.attention_mask if masked else None)[0].clone()


def write_embedding(embedded: Tensor, path: Path) -> None:
    """Write an embedding where `find(condition=path)` reads it. Raises UserError where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({"encoder_hidden_states": embedded.contiguous()}, path)
    except (OSError, RuntimeError) as error:
        raise UserError(f"{path} cannot be written ({error}). Name another file.") from error


def _transformers() -> ModuleType:
    try:
        import transformers
    except ImportError as error:
        raise UserError(
            "A prompt is embedded by transformers, which is not installed here.\n"
            "pip install 'hspace-directions[transformers]', or: pip install transformers"
        ) from error
    return transformers


def _loaded(kind: Any, folder: Path, **how: Any) -> Any:
    try:
        return kind.from_pretrained(folder, local_files_only=True, **how)
    except Exception as error:  # transformers raises whatever its files make it
        raise UserError(
            f"{folder} cannot be read by transformers' {kind.__name__} ({type(error).__name__}: {str(error).splitlines()[0]}).\n"
            "Expected the text encoder of Stable Diffusion 1 or 2, its weights as safetensors. Copy the folder again."
        ) from error


def _located(model: str) -> Path:
    """The model's folder, or one with its tokenizer and text encoder alone, fetched from the hub."""
    holds = "tokenizer/ and text_encoder/, as save_pretrained writes"
    sought = hub.Sought("model", holds, "stable-diffusion-v1-5/stable-diffusion-v1-5", _wanted)
    return hub.locate(model, sought).folder


def _wanted(listed: Iterable[str]) -> list[str]:
    return [path for path in listed if _FETCHED.fullmatch(path)]
