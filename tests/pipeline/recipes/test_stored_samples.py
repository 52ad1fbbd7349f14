"""The samples of a run are found in its root by its catalog alone, and are those that the run made."""

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import UserError
from pipeline.recipes.make import make
from pipeline.recipes.stored_samples import stored_samples
from schemas.run import Run

PLUGS = """
import numpy as np
from pipeline.annotators import attributes


@attributes("bright", "sided")
def labels(images):
    means = images.mean(axis=(1, 3))
    return np.stack([means.mean(axis=1), means[:, :8].mean(axis=1) - means[:, 8:].mean(axis=1)], axis=1)


@attributes("bright", "sided")
def judge(images):
    medians = np.median(images, axis=(1, 3))
    return np.stack([medians.mean(axis=1), medians[:, :8].mean(axis=1) - medians[:, 8:].mean(axis=1)], axis=1)
"""
N, T = 40, 2  # one batch of 32, and one that is not full


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_model):
    """The root of a small run, and its catalog."""
    folder = tmp_path_factory.mktemp("stored")
    (folder / "stored_plugs.py").write_text(PLUGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        small = {
            "samples": N,
            "steps": T,
            "top": 8,
            "components": 0,
            "jacobians": 0,
            "held_out": 4,
            "capture": "mid_block",
        }
        small["strengths"] = "1"
        run = Run(model=str(tiny_model), annotator="stored_plugs:labels", judge="stored_plugs:judge", **small)
        catalog = make(run, folder / "root")
    return folder / "root", catalog


def test_every_sample_has_its_image_its_scores_and_its_h(made):
    root, catalog = made
    parts = list(stored_samples(str(root), catalog.about))
    assert [len(part.samples) for part in parts] == [32, 8]
    ids = [i for part in parts for i in part.samples["sample_id"].to_pylist()]
    assert ids == list(range(N))

    for part in parts:
        assert part.h["h"].shape == (len(part.samples), T, 16, 8, 8) and part.h["h"].dtype == np.float16
        images = [np.asarray(Image.open(io.BytesIO(cell["bytes"]))) for cell in part.samples["image"].to_pylist()]
        of_labels = part.scores.to_pandas().query("annotator == 'labels' and attribute == 'bright'")
        assert np.allclose(of_labels["score"], [image.mean() for image in images], rtol=1e-5)


def test_h_is_what_the_fits_read(made):
    """A direction is a difference of means of it, which is made again from the export alone."""
    root, catalog = made
    parts = list(stored_samples(str(root), catalog.about))
    h = np.concatenate([part.h["h"] for part in parts]).astype(np.float64)
    scores = np.concatenate(
        [part.scores.to_pandas().query("annotator == 'labels' and attribute == 'sided'")["score"] for part in parts]
    )
    order = np.argsort(scores, kind="stable")
    difference = h[order[-8:]].mean(axis=0) - h[order[:8]].mean(axis=0)
    from safetensors.numpy import load

    v = load(catalog.read("directions.safetensors"))["sided/mean-difference"].astype(np.float64)
    cosine = (v * difference).sum() / np.linalg.norm(v) / np.linalg.norm(difference)
    assert cosine > 0.9999


def test_a_root_without_them_is_refused(made, tmp_path):
    with pytest.raises(UserError, match="does not have the samples that this catalog was made from"):
        next(stored_samples(str(tmp_path), made[1].about))


def test_what_is_damaged_or_missing_is_refused(made, tmp_path):
    import shutil

    root, catalog = made
    copied = shutil.copytree(root, tmp_path / "root", symlinks=True)
    [path] = copied.glob("sample-*/00000-*/activations.parquet")
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    with pytest.raises(UserError, match="activations.parquet is missing or damaged"):
        list(stored_samples(str(copied), catalog.about))
    path.unlink()
    with pytest.raises(UserError, match="activations.parquet is missing or damaged"):
        list(stored_samples(str(copied), catalog.about))
    [record] = copied.glob("sample-*/00001-8.json")
    record.unlink()
    with pytest.raises(UserError, match="damaged|has no part 00001-8"):
        list(stored_samples(str(copied), catalog.about))
