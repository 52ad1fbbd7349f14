"""Directions in real images of which some are broken: these are left out, and the catalog says so."""

from pathlib import Path

import pytest
from PIL import Image

from pipeline.errors import UserError
from pipeline.formats.images import decode
from pipeline.recipes.directions import Directions
from pipeline.recipes.domain import Domain
from pipeline.stages.sources.invert import Invert
from schemas.run import Run
from tests.pipeline.imagesets.broken_files import KINDS_OF, write_broken
from tests.pipeline.making import made


@pytest.fixture
def folder(tmp_path) -> Path:
    root = tmp_path / "set"
    root.mkdir()
    for i in range(6):
        Image.new("RGB", (16, 16), (40 * i, 0, 90)).save(root / f"{'ax'[i % 2]}{i}.png")
    write_broken(root)
    return root


def wired(folder: Path, model: Path, fail_above: float) -> Directions:
    run = Run(
        model=str(model),
        images=folder,
        attributes=(),
        capture=("mid_block",),
        steps=2,
        components=1,
        jacobians=0,
        held_out=4,
        fail_above=fail_above,
    )
    return Directions(run, Domain.of(run))


def test_the_catalog_says_how_many_images_cannot_be_read_and_the_others_are_inverted(folder, tiny_model, tmp_path):
    recipe = wired(folder, tiny_model, 0.75)
    [note] = recipe.notes
    assert note.startswith("14 of 20 images cannot be read and are left out (5 truncated, ")
    assert note in recipe.goals[0].notes
    inverted = recipe.sources.found_in
    assert isinstance(inverted, Invert) and inverted.n == 6
    assert recipe.goals[0].profiles.confirmed.edit.sample == recipe.sources.measured_on
    samples = made(tmp_path / "root", inverted).table(inverted, "samples.parquet")
    names = [cell["path"] for cell in samples["image"].to_pylist()]
    assert names == ["a0.png", "a2.png", "a4.png", "x1.png", "x3.png", "x5.png"] and not set(names) & KINDS_OF.keys()
    assert decode(samples)[:, 8, 8, 0].tolist() == [0, 80, 160, 40, 120, 200]


def test_more_broken_images_than_may_be_stop_the_run_before_any_work(folder, tiny_model):
    with pytest.raises(UserError, match="14 of 20 images cannot be read .* at most 0.05"):
        _ = wired(folder, tiny_model, 0.05).goals


def test_the_images_are_read_once_however_often_they_are_asked_for(folder, tiny_model, monkeypatch):
    from pipeline.imagesets import image_set

    looked_at = []
    whole = image_set._looked_at
    monkeypatch.setattr(image_set, "_looked_at", lambda image: looked_at.append(image.name) or whole(image))
    recipes = [wired(folder, tiny_model, 0.75) for _ in range(3)]
    assert len({each.sources.found_in.fingerprint for each in recipes}) == 1 and len(looked_at) == 20
