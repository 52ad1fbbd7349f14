"""A program of torch.export scores what the network that it was made of does."""

import pickle
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.annotators.border import scorer
from pipeline.annotators.description import log_odds
from pipeline.annotators.exported import exported
from pipeline.errors import UserError
from tests.pipeline.annotators.tiny_networks import SIDE, TWO, Scenes, exported_file, pictures, scenes

IMAGES = pictures(5)


def reference() -> dict[str, np.ndarray]:
    small = np.stack(
        [np.asarray(Image.fromarray(each).resize((SIDE, SIDE), Image.Resampling.BILINEAR)) for each in IMAGES]
    )
    with torch.inference_mode():
        given = torch.from_numpy((small[..., ::-1].astype(np.float32) - 127) / 60)
        return {name: each.numpy() for name, each in scenes()(given).items()}


def test_its_outputs_by_name(tmp_path):
    found, expected = exported(str(exported_file(tmp_path / "some scenes.pt2"))), reference()
    assert (found.name, found.attributes) == ("some_scenes", ("brightness", "smooth", "dotted"))
    scores = scorer(found)(IMAGES)
    np.testing.assert_allclose(scores[:, 0], expected["bright"][:, 0], atol=0.02 * expected["bright"].std())
    wanted = log_odds(expected["scene"].astype(np.float64))[:, [0, 2]]
    np.testing.assert_allclose(scores[:, 1:], wanted, atol=0.02 * wanted.std())
    np.testing.assert_allclose(found.embedder()(IMAGES), expected["features"], atol=0.02 * expected["features"].std())


def test_a_program_of_one_batch_size_takes_any_number_of_images(tmp_path):
    free = exported(str(exported_file(tmp_path / "free.pt2"))).load()
    fixed = exported(str(exported_file(tmp_path / "fixed.pt2", batch=2))).load()
    for n in (0, 1, 2, 5):
        np.testing.assert_allclose(fixed(IMAGES[:n]), free(IMAGES[:n]), atol=1e-5)


def test_a_network_in_training_is_refused(tmp_path):
    path = exported_file(tmp_path / "training.pt2", Scenes().train())
    with pytest.raises(UserError, match="was exported in training mode .*\n.*network.eval\\(\\) before torch.export"):
        exported(str(path))


def test_a_program_without_json_is_told_what_it_reads_and_gives(tmp_path):
    with pytest.raises(UserError, match="write bare.json beside it") as error:
        exported(str(exported_file(tmp_path / "bare.pt2", said=None)))
    assert "images: torch.float32" in str(error.value) and "    scene: torch.float32" in str(error.value)
    assert '"output": "bright", "means": "value", "attributes": ["bright_0"]' in str(error.value)


@pytest.mark.parametrize("several", [False, True])
def test_outputs_without_names_are_called_by_their_order(several, tmp_path):
    class Plain(torch.nn.Module):
        def forward(self, images):
            means = images.mean((1, 2))
            return (means, means[:, :1]) if several else means

    outputs = (
        [{"output": "1", "means": "value", "attributes": ["a"]}]
        if several
        else [{"means": "value", "attributes": ["a", "b", "c"]}]
    )
    found = exported(
        str(exported_file(tmp_path / "plain.pt2", Plain(), said={**TWO, "outputs": outputs, "features": None}))
    )
    assert found.load()(IMAGES).shape == (5, len(found.attributes))


class Trap:
    def __reduce__(self):
        return print, ("a trap that was run",)


@pytest.mark.parametrize(
    "member", ["data/constants/custom_obj_0", "data/constants/opaque_obj_0", "data/aotinductor/model/a.so"]
)
def test_more_than_a_program_and_tensors_is_refused(member, tmp_path):
    path = exported_file(tmp_path / "net.pt2")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"net/{member}", pickle.dumps(Trap()))
    with pytest.raises(UserError, match=f"holds more than a program and its tensors: net/{member}"):
        exported(str(path))


def test_nothing_but_tensors_is_unpickled(tmp_path, capsys):
    """Inputs to try a program with lie in the archive as a pickle, which torch itself falls back to run."""
    path, trapped = exported_file(tmp_path / "net.pt2"), tmp_path / "trapped.pt2"
    with zipfile.ZipFile(path) as read, zipfile.ZipFile(trapped, "w", zipfile.ZIP_STORED) as written:
        for name in read.namelist():
            if "sample_inputs" in name:
                torch.save(Trap(), tmp_path / "trap.pt")
                written.write(tmp_path / "trap.pt", name)
            else:
                written.writestr(name, read.read(name))
    with pytest.raises(UserError, match="cannot be read as a program of torch.export"):
        exported(str(trapped))
    assert "a trap that was run" not in capsys.readouterr().out


def test_what_is_no_program(tmp_path):
    (tmp_path / "half.pt2").write_bytes(b"half")
    with pytest.raises(UserError, match="half.pt2 is no program as torch.export.save writes it"):
        exported(str(tmp_path / "half.pt2"))
    with pytest.raises(UserError, match="There is no file"):
        exported(str(tmp_path / "none.pt2"))
