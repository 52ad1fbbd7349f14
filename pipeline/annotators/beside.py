"""The JSON that lies beside a network in one file, and what to write where it does not: age.onnx has age.json."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.annotators import names
from pipeline.annotators.description import MEANINGS, Description, described, read
from pipeline.errors import UserError

Tensors = Sequence[tuple[str, str, Sequence[Any]]]  # name, type and shape of each


def found(file: str, suffix: str, what: str) -> Path:
    """The whole path of a network in a file. Raises UserError where there is none."""
    path = Path(file).expanduser().absolute()
    if not path.is_file():
        raise UserError(f"There is no file {file}; expected {what}, a file {suffix}.")
    return path


def name_of(path: Path, name: str | None) -> str:
    return name or names.fit(path.stem)


def description(path: Path, inputs: Tensors, outputs: Tensors) -> Description:
    """What the JSON beside a network says of it. Raises UserError without one, with a draft made of its inputs and outputs."""
    config = path.with_suffix(".json")
    if not config.is_file():
        raise UserError(
            f"{path} does not say what it scores: write {config.name} beside it. The network reads\n{_listed(inputs)}\n"
            f"and gives\n{_listed(outputs)}\nA draft, in which the names, the meanings and the feeding are to be put right:\n"
            f"{json.dumps(_draft(inputs, outputs))}\n{MEANINGS}"
        )
    said = described(read(config), Description, config)
    there = [name for name, _, _ in outputs]
    if said.features is not None and said.features not in there:
        raise UserError(
            f"{config} names the features {said.features!r}; the network has the outputs {', '.join(there)}."
        )
    return said


def _listed(tensors: Tensors) -> str:
    return "\n".join(f"    {name}: {kind} {list(shape)}" for name, kind, shape in tensors)


def _draft(inputs: Tensors, outputs: Tensors) -> dict[str, Any]:
    """A JSON for a network of which no more is known than the shapes that it has."""
    shape = list(inputs[0][2])
    last = len(shape) == 4 and shape[3] in (1, 3)
    height, width = (shape[1:3] if last else shape[2:4]) if len(shape) == 4 else (None, None)
    fixed = isinstance(height, int) and isinstance(width, int)
    return {
        "outputs": [
            {"output": name, "means": "value", "attributes": [names.fit(f"{name}_{i}") for i in range(_width(of))]}
            for name, _, of in outputs
        ],
        "preprocessing": {
            "size": [height, width] if fixed else 224,
            "resize": "squash",
            "layout": "NHWC" if last else "NCHW",
            "channels": "RGB",
            "range": [0, 1],
            "mean": [0, 0, 0],
            "std": [1, 1, 1],
        },
    }


def _width(shape: Sequence[Any]) -> int:
    """How many numbers an output has; 1 where that is not known, and no more than a person reads."""
    return min(shape[-1], 10) if len(shape) > 1 and isinstance(shape[-1], int) else 1
