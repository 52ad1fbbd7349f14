"""The job's exit codes are for CI of models, and what it prints for machines is one object."""

import json
from dataclasses import fields
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from jobs.compare import compare_catalogs
from jobs.printing import option
from pipeline.catalog.compare.bounds import Bounds
from tests.pipeline.catalog.planted_catalog import standard, turned


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    at, a = tmp_path_factory.mktemp("compared"), standard()
    moved = a.but(vectors={**a.vectors, "smile/ridge": turned(a.vectors["smile/ridge"], 0.7)})
    return {name: each.write(at / name) for name, each in (("a", a), ("same", standard()), ("moved", moved))}


def job(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(compare_catalogs)
    return CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)


def test_it_ends_with_0_where_nothing_has_changed(folders):
    result = job(folders["a"], folders["same"])
    assert result.exit_code == 0 and "Nothing that matters has changed." in result.stdout
    assert "smile/ridge/disentangled" in result.stdout and "+2.40 to +2.40" in result.stdout


def test_it_ends_with_1_where_something_has_and_a_bound_decides_what(folders):
    result = job(folders["a"], folders["moved"])
    assert result.exit_code == 1 and "  smile/ridge: cosine 0.70\n" in result.stdout
    assert job(folders["a"], folders["moved"], "--cosine", 0.6).exit_code == 0


def test_it_ends_with_2_where_they_cannot_be_compared(folders, tmp_path):
    result = job(folders["a"], tmp_path)
    assert result.exit_code == 2 and "is no catalog" in result.stderr
    assert job(folders["a"], folders["same"], "--cosine", 2).exit_code == 2
    unwritable = job(folders["a"], folders["same"], "--html", tmp_path / "no" / "page.html")
    assert unwritable.exit_code == 2 and "cannot be written" in unwritable.stderr


def test_for_machines_it_prints_one_object(folders):
    result = job(folders["a"], folders["moved"], "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1 and found["matters"] == ["smile/ridge: cosine 0.70"]
    [ridge] = [each for each in found["directions"] if each["first"] == "smile/ridge"]
    assert ridge["cosine"] == pytest.approx(0.7, abs=1e-5) and len(ridge["cosine_by_timestep"]) == 4
    assert ridge["target"]["difference"] == 0 and ridge["target"]["standard_error"] > 0 and ridge["matters"]
    assert ridge["strength_per_sd"] == [pytest.approx(0.71), pytest.approx(0.71)]
    assert ridge["figures"][0]["conceptual_range"] == pytest.approx(4.8)


def test_it_writes_a_page(folders, tmp_path):
    result = job(folders["a"], folders["moved"], "--html", tmp_path / "page.html")
    assert f"Page: {tmp_path / 'page.html'}" in result.stdout
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_the_page_on_it_says_what_each_bound_means():
    text = (Path(__file__).parents[2] / "docs" / "compare.md").read_text()
    for bound in fields(Bounds):
        unless = {True: "yes", False: "no"}.get(bound.default, f"{bound.default:g}")
        meaning = bound.metadata["meaning"].replace("|", r"\|")
        assert f"| `{option(bound.name)}` | {unless} | {meaning} |\n" in text
