"""Networks of others as annotators of a benchmark: one of timm's and one of ONNX, with random weights."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from pipeline.annotators.base import Scorer, to_tensor

SIZE = 224  # pixels of a side
OUTPUTS = tuple(f"output{i}" for i in range(8))
_CHANNELS = (
    3,
    48,
    96,
    192,
    192,
)  # of the ONNX network: each halves the sides, and about two thirds of a ResNet-18 in all


@dataclass(frozen=True)
class Timm:
    """A ResNet-18 of timm's."""

    name: ClassVar[str] = "timm"
    version: ClassVar[int] = 1
    attributes: ClassVar[tuple[str, ...]] = OUTPUTS
    thresholds: ClassVar[tuple[float, ...]] = (0.0,) * len(OUTPUTS)

    def load(self) -> Scorer:
        import timm

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = timm.create_model("resnet18", num_classes=len(OUTPUTS)).eval()

        @torch.inference_mode()
        def score(images: np.ndarray) -> np.ndarray:
            return network(to_tensor(images) / 127.5 - 1).numpy()

        return score


@dataclass(frozen=True)
class Onnx:
    """A convolutional network in a file that `write_onnx` wrote."""

    path: str

    name: ClassVar[str] = "onnx"
    version: ClassVar[int] = 1
    attributes: ClassVar[tuple[str, ...]] = OUTPUTS
    thresholds: ClassVar[tuple[float, ...]] = (0.0,) * len(OUTPUTS)

    def load(self) -> Scorer:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(self.path, options, providers=["CPUExecutionProvider"])

        def score(images: np.ndarray) -> np.ndarray:
            [found] = session.run(None, {"pixels": (to_tensor(images) / 127.5 - 1).numpy()})
            return found

        return score


def write_onnx(path: Path) -> Onnx:
    """Write a network of four convolutions, two a resolution, a mean over the pixels and a linear layer."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    nodes: list[Any] = []
    weights: list[Any] = []
    last = "pixels"

    def convolved(name: str, given: str, inside: int, outside: int, stride: int) -> str:
        kernel = rng.normal(0, (2 / inside / 9) ** 0.5, (outside, inside, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"{name}.weight"))
        sides: dict[str, Any] = {"strides": [stride] * 2, "pads": [1] * 4}
        nodes.append(helper.make_node("Conv", [given, f"{name}.weight"], [name], **sides))
        nodes.append(helper.make_node("Relu", [name], [f"{name}.relu"]))
        return f"{name}.relu"

    for i, (inside, outside) in enumerate(pairwise(_CHANNELS)):
        last = convolved(f"down{i}", last, inside, outside, 2)
        last = convolved(f"same{i}", last, outside, outside, 1)
    head = rng.normal(size=(_CHANNELS[-1], len(OUTPUTS))).astype(np.float32)
    weights.append(numpy_helper.from_array(head, "head"))
    nodes.append(helper.make_node("GlobalAveragePool", [last], ["mean"]))
    nodes.append(helper.make_node("Flatten", ["mean"], ["flat"]))
    nodes.append(helper.make_node("MatMul", ["flat", "head"], ["scores"]))
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", len(OUTPUTS)])
    graph = helper.make_graph(nodes, "network", [pixels], [scores], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return Onnx(str(path))
