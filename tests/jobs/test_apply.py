"""What a person types to see what a direction does, and what is said of what does not go together."""

import re
from pathlib import Path

import numpy as np
import pytest
import typer
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from jobs.apply import BETWEEN, apply
from tests.pipeline.catalog.planted_catalogs import planted_catalog, planted_model


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> tuple[Path, Path]:
    """A catalog, and the model that it is of, whose images are 8 x 8."""
    folder = tmp_path_factory.mktemp("applied")
    model = planted_model(folder / "model")
    return planted_catalog(folder / "catalog", model), model


@pytest.fixture
def run(places, tmp_path, monkeypatch):
    catalog, model = places
    monkeypatch.chdir(tmp_path)

    def typed(*words: object) -> Result:
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command()(apply)
        every = [catalog, "--model", model, *words]
        return CliRunner().invoke(app, [str(word) for word in every], catch_exceptions=False)

    return typed


def test_a_picture_has_samples_below_each_other_and_the_edit_on_the_right(run):
    result = run("--direction", "smile", "--direction", "glasses", "--strength", 3, "--strength", -2, "--samples", 2)
    assert result.exit_code == 0, result.output
    assert "smile/ridge/disentangled: +3" in result.stdout and "glasses/ridge: -2" in result.stdout
    assert "Few samples wear them." in result.stdout, "what is to be known of a direction"
    picture = np.asarray(Image.open("out.png")).astype(int)
    assert picture.shape == (2 * 8 + BETWEEN, 2 * 8 + BETWEEN, 3)
    assert (picture[8 : 8 + BETWEEN] == 255).all() and (picture[:, 8 : 8 + BETWEEN] == 255).all()
    left, right = picture[:8, :8], picture[:8, 8 + BETWEEN :]
    assert np.abs(left - right).max() > 1


def test_an_image_of_any_size_is_edited(run, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(tmp_path / "me.png")
    result = run("--direction", "smile", "--image", tmp_path / "me.png", "-o", tmp_path / "edited.png")
    assert result.exit_code == 0, result.output
    assert Image.open(tmp_path / "edited.png").size == (2 * 8 + BETWEEN, 8)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--direction", "smlie"), "no direction 'smlie'.*Did you mean 'smile'"),
        (("--direction", "smile", "--direction", "smile"), "--direction smile is given twice"),
        (("--direction", "smile", "--strength", 1, "--strength", 2), "2 strengths for 1 directions"),
        (("--direction", "smile", "--image", "no.png"), "--image no.png cannot be read"),
        (("--direction", "smile", "--image", "no.png", "--samples", 2), "leave one of them out"),
        (("--direction", "smile", "-o", "no/out.png"), "--out no/out.png cannot be written"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_left(run, words, said, tmp_path):
    result = run(*words)
    assert result.exit_code == 2
    assert re.search(said, result.stderr), result.stderr
    assert [*tmp_path.iterdir()] == []
