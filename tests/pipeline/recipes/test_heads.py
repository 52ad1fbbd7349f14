"""Heads from labelled images to an annotator: what was planted is told, the same embedder is wanted, the folder explains itself."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from jobs.command_line import app
from jobs.train_heads import train_heads
from pipeline.annotators.border import scorer
from pipeline.annotators.names import check_annotator
from pipeline.annotators.registry import annotator
from pipeline.errors import UserError
from tests.pipeline.annotators.conftest import stand_in
from tests.pipeline.annotators.tiny_networks import onnx_file

__all__ = ["stand_in"]

PLUGS = """
from dataclasses import dataclass
import numpy as np

@dataclass(frozen=True)
class Cells:
    step: int = 4
    name = "cells"
    def embedder(self):
        return lambda images: images[:, 1 :: self.step, 1 :: self.step].reshape(len(images), -1).astype(np.float32)

cells = Cells()
others = Cells(step=3)
"""
N = 160


@pytest.fixture
def folder(stand_in):
    """Images with a light left half or a light top or both, in files, and labels of all but a few."""
    folder = stand_in(cell_plugs=PLUGS)
    (folder / "set").mkdir()
    r = np.random.default_rng(5)
    left, top = r.random((2, N)) < 0.4
    lines = ["file,left,top,never,light"]
    for i in range(N):
        image = r.integers(0, 80, (16, 16, 3), np.uint8)
        image[:, :8] += np.uint8(100 * left[i])
        image[:8] += np.uint8(70 * top[i])
        Image.fromarray(image).save(folder / "set" / f"{i:03}.png")
        lines.append(f"{i:03}.png,{int(left[i])},{'' if i % 9 == 0 else int(top[i])},{int(i == 0)},{image.mean():.2f}")
    (folder / "labels.csv").write_text("\n".join(lines[:-10]))
    return folder


def train(*more: str):
    given = ["--images", "set", "--labels", "labels.csv", "--embedder", "cell_plugs:cells", "--size", "16", *more]
    return CliRunner().invoke(app(train_heads), given)


def test_heads_are_an_annotator_that_tells_what_was_labelled(folder):
    done = train("--out", "mine")
    assert done.exit_code == 0, done.output
    of = annotator("heads:mine")
    check_annotator(of, "heads:mine")
    assert (of.name, of.attributes) == ("mine", ("left", "top", "light"))
    assert of.thresholds[:2] == (0.0, 0.0) and np.isnan(of.thresholds[2])
    images = np.full((3, 16, 16, 3), 40, np.uint8)
    images[0, :, :8] += 100
    images[1, :8] += 70
    scores = scorer(of)(images)
    assert (scores[:, :2] > 0).tolist() == [[True, False], [False, True], [False, False]]
    assert scores[:, 2] == pytest.approx(images.mean(axis=(1, 2, 3)), abs=5)
    assert of.reference().features.shape[1] == 16 * 3


def test_the_folder_says_what_they_are_worth_and_what_there_is_none_of(folder):
    train("--out", "mine")
    told = json.loads((folder / "mine" / "heads.json").read_text())
    left, top, light = told["heads"]
    assert left["auc"] > 0.98 and top["auc"] > 0.95 and light["r2"] > 0.9 and light["auc"] is None
    assert top["n"] + top["held_out"] < left["n"] + left["held_out"] == N - 10
    assert list(told["left_out"]) == ["never"]
    card = (folder / "mine" / "README.md").read_text()
    row = next(line for line in card.splitlines() if line.startswith("| left |"))
    assert f"{left['auc']:.3f}" in row and "- never: of the images" in card


def test_labels_that_do_not_fit_the_images_are_warned_of(folder):
    r = np.random.default_rng(0)
    lines = ["file,left,any", *(f"{i:03}.png,{i % 2},{r.random():.3f}" for i in range(N))]
    (folder / "labels.csv").write_text("\n".join(lines))
    said = train("--out", "of-no-use").output
    assert (
        "Warning: left: AUC 0." in said
        and "Warning: any: R2" in said
        and "do not use this head" in " ".join(said.split())
    )
    rows = [
        line
        for line in (folder / "of-no-use/README.md").read_text().splitlines()
        if line.startswith(("| left", "| any"))
    ]
    assert len(rows) == 2 and all(row.endswith("| no better than by chance |") for row in rows)


def test_features_of_another_embedder_are_refused_and_the_same_may_lie_elsewhere(folder):
    train("--out", "mine")
    assert annotator("heads:mine+embedder=cell_plugs:cells+name=own").name == "own"
    with pytest.raises(UserError, match="as it was when they were trained; what is there now is another"):
        annotator("heads:mine+embedder=cell_plugs:others")


def test_what_cannot_be_trained_is_told(folder):
    with pytest.raises(UserError, match=r"holds no heads.json; expected a folder that"):
        annotator("heads:set")
    (folder / "few.csv").write_text("file,rare\n" + "\n".join(f"{i:03}.png,{int(i == 3)}" for i in range(N)))
    result = train("--out", "none", "--labels", "few.csv")
    assert result.exit_code == 2, "given twice"
    given = ["--images", "set", "--labels", "few.csv", "--embedder", "cell_plugs:cells", "--out", "none"]
    result = CliRunner().invoke(app(train_heads), given)
    assert result.exit_code == 2 and "No attribute of few.csv has enough labels" in result.output.replace("\n", " ")
    assert not (folder / "none").exists()
    result = train("--out", "set")
    assert result.exit_code == 2 and "not empty" in result.output


def test_an_embedder_that_was_renamed_and_moved_is_the_same_and_so_are_the_heads(folder):
    onnx_file(folder / "net.onnx")
    given = [
        "--images",
        "set",
        "--labels",
        "labels.csv",
        "--embedder",
        "onnx:net.onnx",
        "--size",
        "16",
        "--out",
        "mine",
    ]
    done = CliRunner().invoke(app(train_heads), given)
    assert done.exit_code == 0, done.output
    before = annotator("heads:mine")
    (folder / "moved").mkdir()
    for end in ("onnx", "json"):
        (folder / f"net.{end}").rename(folder / "moved" / f"renamed.{end}")
    after = annotator("heads:mine+embedder=onnx:moved/renamed.onnx")
    assert after.weights == before.weights and after.features.name == "renamed"
    told = json.loads((folder / "mine" / "heads.json").read_text())
    (folder / "mine" / "heads.json").write_text(json.dumps({**told, "embedder": "onnx:moved/renamed.onnx"}))
    assert annotator("heads:mine").weights == before.weights
    assert scorer(after)(np.zeros((1, 16, 16, 3), np.uint8)).shape == (1, len(after.attributes))
    (folder / "mine" / "heads.json").write_text(json.dumps({**told, "heads": told["heads"][::-1]}))
    with pytest.raises(UserError, match="mine has changed since it was first read"):
        scorer(after)
    assert "brought to 16 x 16 pixels" in (folder / "mine" / "README.md").read_text() and "size" not in told


@pytest.mark.parametrize("out", ["labels.csv", "labels.csv/heads/of"])
def test_a_file_is_no_folder_to_write(folder, out):
    before = (folder / "labels.csv").read_text()
    refused = train("--out", out)
    said = " ".join(refused.output.split())
    assert refused.exit_code == 2 and f"labels.csv is a file, and {out} is to be a folder. Name another" in said
    assert (folder / "labels.csv").read_text() == before
