"""What the job says of what it merged, and that it refuses the rest."""

import json

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from jobs.merge import merge_catalogs
from tests.pipeline.catalog.planted_catalog import drawn, standard


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> list:
    at, a = tmp_path_factory.mktemp("catalogs"), standard()
    other = a.but(vectors={**a.vectors, "smile/ridge": drawn("another")})
    return [each.write(at / name) for name, each in (("a", a), ("b", other))]


def job(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(merge_catalogs)
    return CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)


def test_it_says_what_came_from_where_and_by_which_name(folders, tmp_path):
    result = job(*folders, "--out", tmp_path / "both")
    assert result.exit_code == 0
    assert result.stdout == (
        "a: 10 directions, 0 by another name\nb: 1 directions, 1 by another name\n  smile/ridge is smile/ridge/b\n"
        f"Catalog: {tmp_path / 'both'}\n"
    )


def test_for_machines_it_prints_one_object(folders, tmp_path):
    found = json.loads(job(*folders, "--out", tmp_path / "both", "--json").stdout)
    assert found["catalog"] == str(tmp_path / "both") and len(found["directions"]) == 11


def test_what_cannot_be_merged_is_refused(folders, tmp_path):
    other = standard(sampling={"eta": 0.0}).write(tmp_path / "c")
    result = job(folders[0], other, "--out", tmp_path / "both")
    assert result.exit_code == 2 and "sampling.eta (1.0 and 0.0)" in result.stderr
    assert not (tmp_path / "both").exists()
