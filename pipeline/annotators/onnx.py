"""ONNX networks, run by onnxruntime. A JSON beside the file describes them (see description.py): age.onnx has age.json."""

import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.annotators import beside
from pipeline.annotators.network import Network, Run, check_installed, in_batches
from pipeline.errors import UserError
from pipeline.formats.hashes import check_unchanged, sha256_of

_FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
_TYPES = {**_FLOATS, "tensor(uint8)": np.uint8}

# A tensor's data in another file, as protobuf has it: field 13 of a TensorProto is an entry of key and value, where the key is
# `location` and the value a path beside the network.
_NUMBER = rb"([\x80-\xff]{0,4}[\x00-\x7f])"
_LOCATION = re.compile(rb"\x6a" + _NUMBER + rb"\x0a\x08location\x12" + _NUMBER, re.DOTALL)


@dataclass(frozen=True)
class Onnx(Network):
    """An ONNX network. It runs on a GPU where onnxruntime has been built for one and there is one."""

    def running(self, features: bool) -> Run:
        check_unchanged(_files(Path(self.path)), self.weights)
        session = _session(Path(self.path))
        [read], outputs = session.get_inputs(), [each.name for each in session.get_outputs()]
        kind, batch = _TYPES[read.type], read.shape[0] if read.shape else None

        def run(pixels: Tensor) -> dict[str, np.ndarray]:
            return dict(zip(outputs, session.run(outputs, {read.name: pixels.numpy().astype(kind)}), strict=True))

        return in_batches(run, batch if isinstance(batch, int) else None)


def onnx(file: str, name: str | None = None, labels: str | None = None) -> Onnx:
    """The network of an ONNX file. labels: which of its attributes are scored, by commas; all by default.

    Raises UserError for what is no such file, where its JSON is missing, and where the two do not fit each other.
    """
    path = beside.found(file, ".onnx", "an ONNX network")
    check_installed("onnxruntime", "onnx", f"The network {file}")
    if gone := [each for each in _files(path) if not each.is_file()]:
        raise UserError(
            f"{path} has tensors in {gone[0]}, which is not there. A network that was exported into several files\n"
            "needs them all, where they were beside one another: bring them along."
        )
    session = _session(path)
    inputs, outputs = (
        [(each.name, each.type, each.shape) for each in of()] for of in (session.get_inputs, session.get_outputs)
    )
    if len(inputs) != 1 or inputs[0][1] not in _TYPES:
        listed = "; ".join(f"{name}: {kind} {shape}" for name, kind, shape in inputs)
        raise UserError(f"{path} reads {len(inputs)} inputs ({listed}); expected images alone, as numbers.")
    said = beside.description(path, inputs, outputs).only(labels, file)
    return Onnx(beside.name_of(path, name), sha256_of(_files(path)), said, str(path)).tried()


def _files(path: Path) -> list[Path]:
    """The file, and those which hold tensors of it: a network larger than 2 GB is more than one file."""
    return [path, *(path.parent / each for each in sorted(set(_locations(path))))]


def _locations(path: Path) -> Iterator[str]:
    """Where else tensors of the network are, relative to its folder."""
    if not path.stat().st_size:
        return
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
        for found in _LOCATION.finditer(held):
            entry, length = (_varint(each) for each in found.groups())
            if entry == found.end() - found.start(2) + len("..location.") + length:
                yield held[found.end() : found.end() + length].decode(errors="replace")


def _varint(digits: bytes) -> int:
    """A number as protobuf writes it: seven bits a byte, the lowest first."""
    return sum((digit & 0x7F) << 7 * i for i, digit in enumerate(digits))


def _session(path: Path) -> Any:
    """The network, on as many threads as torch has: sums are rounded by how they are split."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3  # errors, which are raised, too
    there = onnxruntime.get_available_providers()
    wanted = [each for each in ("CUDAExecutionProvider", "CPUExecutionProvider") if each in there]
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=wanted)
    except Exception as error:  # of a dozen kinds, which onnxruntime does not export
        raise UserError(
            f"{path} cannot be read by onnxruntime ({str(error).splitlines()[0]}).\n"
            "Half a file, or operators that this release does not know? Export it again."
        ) from error
