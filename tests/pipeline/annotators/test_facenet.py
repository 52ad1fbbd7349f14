"""FaceNet's own architecture with weights made here: read from both kinds of file, the same alone and in a batch."""

import numpy as np
import pytest
import torch
from facenet_pytorch import InceptionResnetV1
from safetensors.torch import save_file

from pipeline.annotators.base import Embedder
from pipeline.annotators.border import embedding
from pipeline.annotators.facenet import FaceNet, facenet
from pipeline.domains.portraits.data import draw
from pipeline.errors import UserError


@pytest.fixture(scope="module")
def network() -> InceptionResnetV1:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return InceptionResnetV1(pretrained=None, classify=False).eval()


@pytest.fixture(scope="module")
def file(network, tmp_path_factory):
    """As facenet-pytorch publishes it: with the layer that classifies."""
    path = tmp_path_factory.mktemp("facenet") / "vggface2.pt"
    torch.save(
        {**network.state_dict(), "logits.weight": torch.zeros(8631, 512), "logits.bias": torch.zeros(8631)}, path
    )
    return path


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return draw(3, seed=1).permute(0, 2, 3, 1).numpy()


def test_it_is_the_network_of_the_file(network, file, images, tmp_path):
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    pixels = torch.nn.functional.interpolate(
        torch.from_numpy(images).permute(0, 3, 1, 2).float(), (160, 160), mode="bilinear", antialias=True
    )
    with torch.inference_mode():
        expected = network((pixels - 127.5) / 128).numpy()
    for path in (file, tmp_path / "weights.safetensors"):
        embed = facenet(path).embedder()
        np.testing.assert_allclose(embed(images), expected, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(embed(images[1:2]), expected[1:2], atol=1e-5)


def test_it_is_an_embedder_known_by_its_weights(file, tmp_path):
    found = facenet(file)
    assert isinstance(found, Embedder)
    moved = tmp_path / "elsewhere.pt"
    moved.write_bytes(file.read_bytes())
    assert facenet(moved).weights == found.weights


def test_what_is_no_weights_is_refused(file, tmp_path):
    with pytest.raises(UserError, match="There are no FaceNet weights"):
        facenet(tmp_path / "none.pt")
    for name in ("broken.pt", "broken.safetensors"):
        (tmp_path / name).write_bytes(b"no weights at all")
        with pytest.raises(UserError, match="cannot be read as weights"):
            facenet(tmp_path / name)
    (tmp_path / "cut.pt").write_bytes(file.read_bytes()[:100_000])
    for content in (b"", b"\x80\x02}q\x00.", b"PK\x03\x04", b"\x80\x05\x95" + b"\xff" * 16, b"(((("):
        (tmp_path / "bytes.pt").write_bytes(content)
        with pytest.raises(UserError, match="bytes.pt cannot be read as weights|begins with nothing"):
            facenet(tmp_path / "bytes.pt")
    with pytest.raises(UserError, match="cannot be read as weights"):
        facenet(tmp_path / "cut.pt")
    for i, other in enumerate(
        ([torch.zeros(3)], torch.zeros(3), {"state": {"conv": torch.zeros(3)}}, {1: torch.zeros(1)})
    ):
        torch.save(other, tmp_path / f"{i}.pt")
        with pytest.raises(UserError, match="holds no tensors by name"):
            facenet(tmp_path / f"{i}.pt")
    torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(UserError, match="other weights than InceptionResnetV1's: it begins with conv.weight"):
        facenet(tmp_path / "other.pt")


def test_a_pickle_is_not_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return (tmp_path.joinpath("harm").touch, ())

    torch.save({"weight": Harm()}, tmp_path / "harm.pt")
    with pytest.raises(UserError, match="cannot be read"):
        facenet(tmp_path / "harm.pt")
    assert not (tmp_path / "harm").exists()


def test_weights_that_changed_are_refused(file, tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(file.read_bytes())
    found = facenet(path)
    path.write_bytes(b"other")
    with pytest.raises(UserError, match="has changed since"):
        FaceNet(found.weights, found.path).embedder()


@pytest.mark.parametrize("size", [(48, 64), (64, 48), (16, 16), (8, 8), (256, 256)])
def test_images_of_any_size_have_features(file, size):
    features = embedding(facenet(file))(np.random.default_rng(0).integers(0, 256, (2, *size, 3), np.uint8))
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
