"""Hand labels in a table, from images or samples to a catalog: the directions are those of the labels, and of no other."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import UserError
from pipeline.recipes import find
from pipeline.recipes.directions import Directions
from pipeline.recipes.domain import Domain
from pipeline.recipes.make import make
from pipeline.recipes.settings import placed
from pipeline.stages.sources.activations import read_step
from schemas.run import Run
from tests.jobs.test_directions import model
from tests.pipeline.making import made

__all__ = ["model"]

N, TOP = 48, 8
SMALL = {"samples": N, "steps": 3, "top": TOP, "held_out": 2, "jacobians": 0, "components": 0, "batch": 16}
MEASURED = {"judge": ("pixels",), "allow_judge": (), "capture": ("mid_block",), "attributes": ("brightness", "warmth")}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(3)
    for i in range(N):
        (folder / f"{i % 2}").mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 20, 3), np.uint8)).save(folder / f"{i % 2}" / f"{i:02d}.png")
    return folder


@pytest.fixture(scope="module")
def planted() -> np.ndarray:
    """Labels (N, 2) that nothing in the images tells: 0 or 1, and numbers of which a quarter is missing."""
    rng = np.random.default_rng(5)
    numbers = rng.normal(size=N).round(3)
    numbers[rng.choice(N, N // 4, replace=False)] = np.nan
    return np.stack([np.arange(N) // 2 % 2, numbers], axis=1)


def told(value: float) -> str:
    return "" if np.isnan(value) else f"{value:g}"


def of(run: Run) -> Directions:
    chosen = placed(run)
    return Directions(chosen, Domain.of(chosen))


def check_directions(run: Run, root: Path, planted: np.ndarray) -> None:
    """Find a run's mean differences, and demand that they are those of the planted labels."""
    recipe = of(run)
    source = recipe.sources.found_in
    difference = find.supervised(recipe.run, source, recipe.domain).difference
    store = made(root, difference)
    found = store.vectors(difference)["warmth/mean-difference"]
    h = np.stack([read_step(store, source, step)[1] for step in range(source.steps)])
    scored = np.flatnonzero(~np.isnan(planted[:, 1]))
    order = scored[np.argsort(planted[scored, 1], kind="stable")]
    expected = h[:, order[::-1][:TOP]].mean(axis=1, dtype=np.float64) - h[:, order[:TOP]].mean(axis=1, dtype=np.float64)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=2e-3, atol=2e-4)


@pytest.fixture(scope="module")
def by_name(model, photographs, planted, tmp_path_factory) -> Run:
    """Labels of photographs, whose rows stand in another order than the photographs and name no folder."""
    names = sorted(path.relative_to(photographs).as_posix() for path in photographs.rglob("*.png"))
    rows = [f"{name.partition('/')[2]},{told(a)},{told(b)}" for name, (a, b) in zip(names, planted, strict=True)]
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    path.write_text("\n".join(["file_name,brightness,warmth", *rows[::-1]]) + "\n")
    return Run(model=str(model), annotator=f"table:{path}+name=hand", images=photographs, **MEASURED, **SMALL)


def test_labels_of_real_images_follow_them_through_inversion(by_name, planted, tmp_path):
    check_directions(by_name, tmp_path, planted)


def test_labels_of_samples_are_theirs_by_number(model, planted, tmp_path):
    path = tmp_path / "labels.csv"
    rows = [f"{i},{told(a)},{told(b)}" for i, (a, b) in enumerate(planted)]
    path.write_text("\n".join(["sample_id,brightness,warmth", *reversed(rows)]) + "\n")
    run = Run(model=str(model), annotator=f"table:{path}+name=hand", **MEASURED, **SMALL)
    check_directions(run, tmp_path / "root", planted)


def test_images_without_a_row_are_refused_before_work(by_name, photographs, tmp_path):
    Image.new("RGB", (20, 12)).save(tmp_path / "another.png")
    with pytest.raises(
        UserError, match="labels none of the 1 images: it has 47.png, 45.png, 43.png ..., and they are another.png"
    ):
        _ = of(by_name.model_copy(update={"images": tmp_path})).sources
    with pytest.raises(UserError, match="labels images by file name, and samples made from noise have none"):
        _ = of(by_name.model_copy(update={"images": None})).sources


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"capture": ("auto",)}, "rules out `capture` auto, .* name points, as mid_block"),
        ({"by_effects": True}, "rules out `by_effects`"),
        ({"activations": False}, "rules out sketches"),
    ],
)
def test_what_needs_scores_of_other_images_is_refused_before_work(by_name, setting, said):
    with pytest.raises(UserError, match=f"'hand' knows images by their names, and looks at none. That {said}"):
        of(by_name.model_copy(update=setting))


@pytest.mark.slow
def test_a_catalog_of_hand_labels_is_measured_by_a_judge(by_name, planted, tmp_path):
    catalog = make(by_name, tmp_path)
    rows = catalog.table("directions.parquet").dropna(subset="attribute").set_index("name")
    assert set(rows["annotator"]) == {"hand"} and set(catalog.table("effects.parquet")["judge"]) == {"pixels"}
    complete = planted[~np.isnan(planted).any(axis=1)]
    assert rows.loc["brightness/mean-difference", "base_rate"] == pytest.approx(complete[:, 0].mean())
