"""What a person types to export a catalog, and what is said of options that do not go together."""

import json
import uuid
from pathlib import Path

import numpy as np
import obstore
import pytest
import typer
from click.testing import Result
from obstore.store import from_url
from safetensors import safe_open
from typer.testing import CliRunner

from jobs.export import export
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.export.formats import FORMATS
from tests.pipeline.catalog.export.hub_server import TOKEN, hub
from tests.pipeline.catalog.export.planted_catalog import planted


@pytest.fixture
def catalog(tmp_path):
    return planted(tmp_path / "catalog")


def run(*words: object) -> Result:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(export)
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def test_a_catalog_becomes_a_folder(catalog, tmp_path):
    for _ in range(2):  # an earlier one is replaced
        result = run(catalog, "--to", "npz", "--out", tmp_path / "out")
        assert (result.exit_code, result.stdout) == (0, f"Export:  {tmp_path / 'out'}\n")
    assert len(np.load(tmp_path / "out" / "directions.npz").files) == 2


def read(folder: Path) -> dict[str, object]:
    """What lies in a folder, by name; of safetensors, which have their metadata in any order, what they hold."""
    found: dict[str, object] = {}
    for path in (each for each in folder.rglob("*") if each.is_file()):
        content: object = path.read_bytes()
        if path.suffix == ".safetensors":
            with safe_open(path, "numpy") as file:
                content = file.metadata(), {key: file.get_tensor(key).tobytes() for key in file.keys()}  # noqa: SIM118
        found[str(path.relative_to(folder))] = content
    if any(isinstance(each, tuple) for each in found.values()):
        found.pop("SHA256SUMS", None)
    return found


@pytest.mark.parametrize("to", sorted(set(FORMATS) - {"dataset", "comfyui"}))  # these want more than a catalog
def test_a_catalog_in_a_bucket_is_exported_as_from_a_folder(to, catalog, tmp_path, moto_server, monkeypatch):
    for name, value in moto_server.environment().items():
        monkeypatch.setenv(name, value)
    address = moto_server.url(f"catalog-{uuid.uuid4().hex}")
    store = from_url(address, client_options={"allow_http": True})
    for file in catalog.iterdir():
        obstore.put(store, file.name, file)
    for source, name in ((address, "there"), (catalog, "here")):
        result = run(source, "--to", to, "--out", tmp_path / name)
        assert result.exit_code == 0, result.output
    there, here = (read(tmp_path / name) for name in ("there", "here"))
    assert there == here and there
    opened = [DirectionCatalog.from_pretrained(each) for each in (address, str(catalog))]
    assert opened[0].sha256 == opened[1].sha256 and list(opened[0]) == list(opened[1])


def test_it_is_uploaded_where_that_is_asked_for(catalog, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    with hub() as server:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.endpoint)
        monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", server.endpoint)
        result = run(catalog, "--to", "hub", "--out", tmp_path / "out", "--push", "me/directions", "--private")
    assert result.exit_code == 0, result.output
    assert f"Commit:  {server.endpoint}/me/directions/commit/" in result.stdout
    assert 'from_pretrained("me/directions")' in server.repositories["me/directions"]["README.md"].decode()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "zip"], f"'zip' is no format of an export; expected one of {', '.join(FORMATS)}"),
        (["--to", "npz", "--push", "me/x"], "--push is of --to hub, and this is --to npz"),
        (["--to", "npz", "--base-model", "me/x"], "--base-model is of --to hub"),
        (["--to", "dataset"], "--to dataset needs --root"),
        (["--to", "npz", "--root", "x"], "no other format reads it"),
        (["--to", "hub", "--push", "x"], "x is no repository of the hub"),
        (["--to", "dataset", "--root", "absent"], "does not have the samples"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_written(words, said, catalog, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(catalog, *words, "--out", tmp_path / "out")
    assert result.exit_code == 2 and said in result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"catalog"}


def test_it_is_not_written_into_the_catalog(catalog):
    for out in (catalog, catalog / "export"):
        assert "is the catalog, or lies in it" in run(catalog, "--to", "npz", "--out", out).stderr
    assert not (catalog / "export").exists()


def test_a_damaged_catalog_is_not_exported(catalog, tmp_path):
    with open(catalog / "directions.safetensors", "ab") as file:
        file.write(b" ")
    result = run(catalog, "--to", "safetensors", "--out", tmp_path / "out")
    assert result.exit_code == 2 and "has changed since it was published" in result.stderr
    assert json.loads((catalog / "catalog.json").read_text()) and not (tmp_path / "out").exists()
