"""The run of the digits: its file says what is there, and at a small size it makes a catalog."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from jobs.directions import directions
from pipeline.annotators.base import presence_of
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.recipes.domain import Domain
from pipeline.recipes.settings import read, run_of

RUN = Path(__file__).parents[2] / "jobs" / "digits.toml"
SIZES = {"samples": 24, "steps": 2, "top": 4, "held-out": 4, "components": 1, "jacobians": 1, "workers": 0}
SMALL = [f"--{name}={value}" for name, value in SIZES.items()]


@pytest.fixture(scope="module")
def domain() -> Domain:
    return Domain.of(run_of(read(RUN)))


def test_who_labels_and_who_judges_score_what_is_wanted(domain):
    [judge] = domain.judges
    assert set(domain.attributes) <= set(domain.annotator.attributes) & set(judge.attributes)
    assert presence_of(domain.annotator) == presence_of(judge) == "digit"
    assert domain.annotator != judge and domain.embedder == judge


def test_the_model_is_grey_and_is_read_as_any_other(domain):
    model = domain.model
    assert (model.x_shape, model.h_shape(), model.image_shape) == ((1, 32, 32), (72, 4, 4), (1, 32, 32))
    assert model.clips and not model.notes


@pytest.mark.slow
def test_a_small_run_makes_a_catalog_of_digits(tmp_path):
    app = typer.Typer()
    app.command()(directions)
    done = CliRunner().invoke(app, [str(RUN), *SMALL, "--root", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    catalog = DirectionCatalog.open(tmp_path / "catalog")
    assert {"slant", "stroke_width"} <= set(catalog.table("directions.parquet")["attribute"])
    page = (tmp_path / "explorer" / "index.html").read_text()
    assert "digits" in page and "portrait" not in page and json.loads(done.stdout.strip().splitlines()[-1])
