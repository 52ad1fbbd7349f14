"""Programs of torch.export (.pt2). A JSON beside the file describes them (see description.py): towers.pt2 has towers.json."""

import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from pipeline.annotators import beside
from pipeline.annotators.network import Network, Run, check_unpickler, device, in_batches, named
from pipeline.errors import UserError
from pipeline.formats.hashes import check_unchanged, sha256_of

# What an archive of a program and its tensors holds. Compiled code and objects of other kinds are not among it.
_MEMBERS = re.compile(
    r"[^/]+/(archive_format|archive_version|byteorder|version|\.data/\w+|models/[^/]+\.json|extra/.*"
    r"|data/(weights/(weight_\d+|[^/]+_config\.json)|constants/(tensor_\d+|[^/]+_config\.json)|sample_inputs/[^/]+\.pt))"
)
_FORCED = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"  # torch's own variable: nothing but tensors is unpickled
_TRAINING = ("dropout", "batch_norm")  # operators that compute otherwise in training


@dataclass(frozen=True)
class Exported(Network):
    """A program of torch.export."""

    def running(self, features: bool) -> Run:
        check_unchanged([Path(self.path)], self.weights)
        program = _loaded(Path(self.path))
        [(_, _, shape)] = _inputs(program)
        if device() != "cpu":
            from torch.export.passes import move_to_device_pass

            program = move_to_device_pass(program, device())
        network = program.module()

        def run(pixels: Tensor) -> dict[str, Any]:
            with torch.inference_mode():
                return named(network(pixels.to(device())))

        return in_batches(run, shape[0] if isinstance(shape[0], int) else None)


def exported(file: str, name: str | None = None, labels: str | None = None) -> Exported:
    """The program of a .pt2 file. labels: which of its attributes are scored, by commas; all by default.

    Raises UserError for what is no such file, for a program of a network in training, where the JSON is missing, and where the two
    do not fit each other.
    """
    path = beside.found(file, ".pt2", "a program as torch.export.save writes it")
    program = _loaded(path)
    inputs = _inputs(program)
    if len(inputs) != 1:
        raise UserError(f"{path} reads {len(inputs)} inputs; expected images alone.")
    _check_evaluates(program, path)
    said = beside.description(path, inputs, _outputs(program)).only(labels, file)
    return Exported(beside.name_of(path, name), sha256_of([path]), said, str(path)).tried()


def _loaded(path: Path) -> ExportedProgram:
    """A program, of which tensors alone are unpickled. Raises UserError for anything else."""
    check_unpickler(path)
    try:
        with zipfile.ZipFile(path) as archive:
            odd = [each for each in archive.namelist() if not _MEMBERS.fullmatch(each)]
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is no program as torch.export.save writes it ({error}). Export it again.") from error
    if odd:
        raise UserError(
            f"{path} holds more than a program and its tensors: {odd[0]}. Nothing in it was run.\n"
            "Expected what torch.export.save of torch 2.8 or newer writes."
        )
    try:
        with _tensors_alone():
            return torch.export.load(path)
    except Exception as error:  # whatever a damaged archive makes torch raise
        raise UserError(
            f"{path} cannot be read as a program of torch.export ({type(error).__name__}). Export it again, with this torch."
        ) from error


@contextmanager
def _tensors_alone() -> Iterator[None]:
    before = os.environ.get(_FORCED)
    os.environ[_FORCED] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_FORCED]
        else:
            os.environ[_FORCED] = before


def _check_evaluates(program: ExportedProgram, path: Path) -> None:
    """Raise UserError for a program in which operators are fixed to how they compute in training."""
    for node in program.graph.nodes:
        schema = getattr(node.target, "_schema", None)
        if schema is None or not any(each in schema.name for each in _TRAINING):
            continue
        switches = [place for place, each in enumerate(schema.arguments) if each.name in ("train", "training")]
        if any(place < len(node.args) and node.args[place] is True for place in switches):
            raise UserError(
                f"{path} was exported in training mode ({schema.name}): scores would hang on chance, or on the images beside.\n"
                "Call network.eval() before torch.export.export."
            )


def _inputs(program: ExportedProgram) -> beside.Tensors:
    return _described(program, program.graph_signature.user_inputs)


def _outputs(program: ExportedProgram) -> beside.Tensors:
    """Outputs by the names that they have here: those of a dictionary, or "0", "1" ... in order."""
    spec = program.call_spec.out_spec
    keys = list(spec.context) if spec is not None and spec.type is dict else None
    found = _described(program, program.graph_signature.user_outputs)
    return [(str(keys[i] if keys else i), kind, shape) for i, (_, kind, shape) in enumerate(found)]


def _described(program: ExportedProgram, names: Any) -> beside.Tensors:
    nodes = {node.name: node.meta.get("val") for node in program.graph.nodes}
    values = [(name, nodes.get(name)) for name in names]
    return [
        (name, str(each.dtype), [size if isinstance(size, int) else str(size) for size in each.shape])
        for name, each in values
        if isinstance(each, Tensor)
    ]
