"""Networks of every kind, untrained and small, written into folders as a person would have them."""

import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch import nn

SIDE = 32
FEEDING = {
    "size": SIDE,
    "resize": "crop",
    "resize_to": 40,
    "interpolation": "bicubic",
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}
SQUASHED = {
    "size": [SIDE, SIDE],
    "resize": "squash",
    "channels": "BGR",
    "layout": "NHWC",
    "range": [0, 255],
    "mean": 127,
    "std": 60,
}
SCENES = ["smooth", "striped", "dotted"]
PROMPTS = {"striped": ["a photo of stripes", "a photo"], "bright": ["a day", "a night"]}


def written(folder: Path, **described) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(described))
    return folder


def used(network: nn.Module, side: int) -> None:
    """Let a network see some noise in training, so that what it normalises by is of some images."""
    for _ in range(20):
        network(torch.randn(8, 3, side, side))


def torchvision_folder(folder: Path) -> Path:
    """Two logits by a ShuffleNet."""
    import torchvision

    torch.manual_seed(1)
    network = torchvision.models.get_model("shufflenet_v2_x0_5", weights=None, num_classes=2)
    used(network, SIDE)
    outputs = [{"means": "logit", "attributes": ["tower", "sky"], "thresholds": [0.5, None]}]
    written(folder, library="torchvision", architecture="shufflenet_v2_x0_5", outputs=outputs, preprocessing=FEEDING)
    save_file(network.state_dict(), folder / "model.safetensors")
    return folder


def timm_folder(folder: Path) -> Path:
    """Three classes by the smallest of timm's ResNets, as timm itself saves one for the hub."""
    import timm
    from timm.models import save_for_hf

    torch.manual_seed(2)
    network = timm.create_model("test_resnet.r160_in1k", num_classes=3)
    used(network, 160)
    save_for_hf(network, folder, model_config={"label_names": SCENES}, safe_serialization=True)
    return folder


class Scenes(nn.Module):
    """Two outputs by name: logits of scenes and a brightness, and the features that these are made of. It reads NHWC."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 5, stride=4)
        self.normalised = nn.BatchNorm2d(8)
        self.dropped = nn.Dropout(0.5)
        self.scene, self.bright = nn.Linear(8, 3), nn.Linear(8, 1)

    def forward(self, images):
        features = self.dropped(self.normalised(self.convolution(images.permute(0, 3, 1, 2))).relu().mean((2, 3)))
        return {"scene": self.scene(features), "bright": self.bright(features), "features": features}


OUTPUTS = [
    {"output": "bright", "means": "value", "attributes": ["brightness"]},
    {"output": "scene", "means": "classes", "attributes": ["smooth", None, "dotted"]},
]
TWO = {"outputs": OUTPUTS, "preprocessing": SQUASHED, "features": "features"}


def scenes() -> Scenes:
    torch.manual_seed(3)
    return Scenes().eval()


def exported_file(
    path: Path, network: nn.Module | None = None, batch: int | None = None, said: dict | None = TWO
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images = torch.zeros(batch or 2, SIDE, SIDE, 3)
    free = None if batch else {"images": {0: torch.export.Dim("batch")}}
    torch.export.save(torch.export.export(network or scenes(), (images,), dynamic_shapes=free), path)
    if said is not None:
        path.with_suffix(".json").write_text(json.dumps(said))
    return path


def onnx_file(path: Path, batch: int | str = "N", said: dict | None = TWO) -> Path:
    """The same two outputs: means of channels, and a linear layer on a pooled convolution."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(4)
    weights = {
        "kernel": random.normal(size=(8, 3, 5, 5)) / 300,
        "scene_w": random.normal(size=(8, 3)),
        "bright_w": random.normal(size=(8, 1)),
    }
    nodes = [
        helper.make_node("Transpose", ["images"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "kernel"], ["maps"], strides=[4, 4]),
        helper.make_node("Relu", ["maps"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("MatMul", ["features", "scene_w"], ["scene"]),
        helper.make_node("MatMul", ["features", "bright_w"], ["bright"]),
    ]
    values = {"scene": [batch, 3], "bright": [batch, 1], "features": [batch, 8]}
    graph = helper.make_graph(
        nodes,
        "scenes",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, SIDE, SIDE, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in values.items()],
        [numpy_helper.from_array(each.astype(np.float32), name) for name, each in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    if said is not None:
        path.with_suffix(".json").write_text(json.dumps(said))
    return path


def huggingface_folder(folder: Path) -> Path:
    """A vision transformer of three scenes, one of which has a name that no column can have."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    torch.manual_seed(5)
    labels = {0: "smooth", 1: "striped, or barred", 2: "dotted"}
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=SIDE, patch_size=8,
        id2label=labels, label2id={name: i for i, name in labels.items()}, hidden_dropout_prob=0.3,
    )  # fmt: skip
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return folder


def clip_folder(folder: Path) -> Path:
    """CLIP with a tokenizer that knows letters."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    torch.manual_seed(6)
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    settings = {"model_max_length": 40, "pad_token": "<|endoftext|>", "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    ends = {"bos_token_id": len(vocabulary) - 2, "eos_token_id": len(vocabulary) - 1}
    text = {**small, **ends, "vocab_size": len(vocabulary), "max_position_embeddings": 40}
    vision = {**small, "image_size": SIDE, "patch_size": 8}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)).save_pretrained(folder)
    processor = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    processor.save_pretrained(folder)
    return folder


def prompts_file(path: Path) -> Path:
    path.write_text("".join(f"{name} = {json.dumps(pair)}\n" for name, pair in PROMPTS.items()))
    return path


EVERY = ("torchvision", "timm", "exported", "onnx", "huggingface", "clip")


def every(folder: Path) -> dict[str, str]:
    """A spec of each kind, by the kind."""
    return {
        "torchvision": f"classifier:{torchvision_folder(folder / 'buildings')}",
        "timm": f"classifier:{timm_folder(folder / 'textures')}+labels=dotted",
        "exported": f"exported:{exported_file(folder / 'scenes.pt2')}",
        "onnx": f"onnx:{onnx_file(folder / 'pictures.onnx')}",
        "huggingface": f"huggingface:{huggingface_folder(folder / 'vit')}",
        "clip": f"clip:{clip_folder(folder / 'clip')}+prompts={prompts_file(folder / 'prompts.toml')}",
    }


def pictures(n: int = 4, height: int = 48, width: int = 64) -> np.ndarray:
    """Images (n, H, W, 3) uint8 of soft spots of light, each of its own."""
    from PIL import Image

    random = np.random.default_rng(7)
    small = random.integers(0, 256, (n, 6, 8, 3), np.uint8)
    return np.stack(
        [np.asarray(Image.fromarray(each).resize((width, height), Image.Resampling.BICUBIC)) for each in small]
    )
