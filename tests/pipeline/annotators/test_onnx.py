"""An ONNX network scores what onnxruntime's own session gives, by names, meanings and feeding of the JSON beside it."""

import importlib.util
import json

import numpy as np
import onnx as library
import onnxruntime
import pytest
from PIL import Image

from pipeline.annotators import registry
from pipeline.annotators.base import embeds
from pipeline.annotators.description import log_odds
from pipeline.annotators.onnx import onnx
from pipeline.errors import UserError
from pipeline.formats.hashes import sha256_of
from tests.pipeline.annotators.tiny_networks import SIDE, TWO, onnx_file, pictures

IMAGES = pictures(5)


def reference(path, images=IMAGES) -> dict[str, np.ndarray]:
    """As a person runs it: resized by Pillow, BGR, channels last, (x - 127) / 60."""
    small = np.stack(
        [np.asarray(Image.fromarray(each).resize((SIDE, SIDE), Image.Resampling.BILINEAR)) for each in images]
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    fed = (small[..., ::-1].astype(np.float32) - 127) / 60
    return dict(zip(("scene", "bright", "features"), session.run(None, {"images": fed}), strict=True))


def test_two_outputs_by_name(tmp_path):
    path = onnx_file(tmp_path / "two.onnx")
    found, expected = onnx(str(path)), reference(path)
    assert (found.name, found.attributes) == ("two", ("brightness", "smooth", "dotted"))
    assert np.isnan(found.thresholds[0]) and found.thresholds[1:] == (0, 0)
    scores = found.load()(IMAGES)
    np.testing.assert_allclose(scores[:, 0], expected["bright"][:, 0], atol=0.02 * expected["bright"].std())
    wanted = log_odds(expected["scene"].astype(np.float64))[:, [0, 2]]
    np.testing.assert_allclose(scores[:, 1:], wanted, atol=0.02 * wanted.std())
    np.testing.assert_allclose(found.embedder()(IMAGES), expected["features"], atol=0.02 * expected["features"].std())


@pytest.mark.parametrize("batch", [1, 3])
def test_a_network_of_one_batch_size_takes_any_number_of_images(batch, tmp_path):
    free = onnx(str(onnx_file(tmp_path / "free.onnx"))).load()
    fixed = onnx(str(onnx_file(tmp_path / "fixed.onnx", batch))).load()
    for n in (0, 1, 3, 5):
        np.testing.assert_allclose(fixed(IMAGES[:n]), free(IMAGES[:n]), atol=1e-5)


def test_a_network_without_json_is_told_with_a_draft_that_works(tmp_path):
    path = onnx_file(tmp_path / "bare.onnx", said=None)
    with pytest.raises(UserError) as error:
        onnx(str(path))
    text = str(error.value)
    assert "write bare.json beside it" in text
    assert "    images: tensor(float) ['N', 32, 32, 3]" in text and "    scene: tensor(float) ['N', 3]" in text
    draft = next(line for line in text.splitlines() if line.startswith("{"))
    assert json.loads(draft)["preprocessing"]["layout"] == "NHWC"
    path.with_suffix(".json").write_text(draft)
    found = onnx(str(path))
    assert found.attributes[:4] == ("scene_0", "scene_1", "scene_2", "bright_0")
    assert found.load()(IMAGES).shape == (5, 12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"outputs": [{"output": "age", "means": "value", "attributes": ["age"]}]},
            "names the output 'age'; .* scene, bright, features",
        ),
        (
            {"outputs": [{"output": "scene", "means": "value", "attributes": ["a"]}]},
            "gives 3 numbers .* has 1 attributes",
        ),
        ({"outputs": [{"means": "value", "attributes": ["a"]}]}, "does not say which output it means"),
        (
            {"features": "pool"},
            "net.json names the features 'pool'; the network has the outputs scene, bright, features",
        ),
    ],
)
def test_a_json_that_does_not_fit_is_told_before_any_work(changes, message, tmp_path):
    with pytest.raises(UserError, match=message):
        onnx(str(onnx_file(tmp_path / "net.onnx", said={**TWO, **changes})))


def test_images_of_another_size_than_the_network_reads(tmp_path):
    said = {**TWO, "preprocessing": {**TWO["preprocessing"], "size": 16}}
    with pytest.raises(
        UserError,
        match=r"net.onnx does not run on images as its JSON feeds them, \[1, 16, 16, 3\] of NHWC:\n.*Got invalid dim",
    ):
        onnx(str(onnx_file(tmp_path / "net.onnx", said=said)))


def test_a_network_without_features_says_how_to_have_some(tmp_path):
    said = {name: each for name, each in TWO.items() if name != "features"}
    with pytest.raises(UserError, match='offers no features .*\n.*"features": "the name of the output"'):
        registry.embedder(f"onnx:{onnx_file(tmp_path / 'net.onnx', said=said)}")
    assert not embeds(onnx(str(tmp_path / "net.onnx"))) and embeds(onnx(str(onnx_file(tmp_path / "with.onnx"))))


def test_what_is_no_network(tmp_path):
    with pytest.raises(UserError, match="There is no file .*none.onnx; expected an ONNX network"):
        onnx(str(tmp_path / "none.onnx"))
    (tmp_path / "half.onnx").write_bytes(b"half")
    with pytest.raises(UserError, match="half.onnx cannot be read by onnxruntime"):
        onnx(str(tmp_path / "half.onnx"))


def test_a_network_that_reads_more_than_images(tmp_path):
    path = onnx_file(tmp_path / "net.onnx")
    model = library.load(path)
    model.graph.input.append(library.helper.make_tensor_value_info("mask", library.TensorProto.FLOAT, [1]))
    library.save(model, path)
    with pytest.raises(UserError, match="reads 2 inputs .*mask.*; expected images alone"):
        onnx(str(path))


def test_tensors_beside_a_large_network_are_part_of_its_identity(tmp_path):
    path = onnx_file(tmp_path / "net.onnx")
    whole = onnx(str(path))
    scores = whole.load()(IMAGES)
    model = library.load(path)
    library.save(model, path, save_as_external_data=True, location="net.onnx.data", size_threshold=0)
    apart = onnx(str(path))
    np.testing.assert_array_equal(apart.load()(IMAGES), scores)
    data = tmp_path / "net.onnx.data"
    data.write_bytes(data.read_bytes()[::-1])
    with pytest.raises(UserError, match="has changed since it was first read"):
        apart.load()


@pytest.mark.parametrize("location", ["weights.bin", "a" * 180 + ".bin"])
def test_tensors_in_a_file_of_any_name_are_part_of_its_identity_and_must_be_there(location, tmp_path):
    path = onnx_file(tmp_path / "net.onnx")
    library.save(library.load(path), path, save_as_external_data=True, location=location, size_threshold=0)
    told, data = onnx(str(path)), tmp_path / location
    data.write_bytes(data.read_bytes()[::-1])
    with pytest.raises(UserError, match="has changed since it was first read"):
        told.load()
    assert onnx(str(path)).weights != told.weights
    data.rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=f"has tensors in .*{location}, which is not there"):
        onnx(str(path))


def test_each_tensor_may_have_a_file_of_its_own_and_a_location_that_is_none_is_left_alone(tmp_path):
    path = onnx_file(tmp_path / "net.onnx")
    model = library.load(path)
    said = model.metadata_props.add()
    said.key, said.value = "location", "Kassel"
    library.save(model, path, save_as_external_data=True, all_tensors_to_one_file=False, size_threshold=0)
    apart = [path.parent / each for each in ("bright_w", "kernel", "scene_w")]
    assert onnx(str(path)).weights == sha256_of([path, *apart])


def test_a_place_without_onnxruntime_is_told_what_to_install(tmp_path, monkeypatch):
    path = onnx_file(tmp_path / "net.onnx")
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "pipeline.annotators.network.find_spec", lambda name: None if name == "onnxruntime" else real(name)
    )
    with pytest.raises(
        UserError, match=r"needs onnxruntime, .*\npip install 'hspace-directions\[onnx\]', or: pip install onnxruntime"
    ):
        onnx(str(path))
