"""The notebook of the documents: it runs from its first cell to its last, and what comes out is what it says."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import nbformat
import numpy as np
import pytest

from pipeline.annotators.registry import annotator
from pipeline.catalog.direction_catalog import DirectionCatalog

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "first_catalog.ipynb"

WITNESS = """
import numpy as np

np.savez(
    "witness.npz",
    both=[np.asarray(each) for each in both],
    hooks=sum(len(module._forward_hooks) for module in pipe.unet.modules()),
    **{f"smile{strength}": [np.asarray(each) for each in row] for strength, row in smiles.items()},
)
"""


@pytest.fixture(scope="module")
def execute() -> ModuleType:
    """What `make notebook` runs."""
    spec = importlib.util.spec_from_file_location("execute", ROOT / "docs" / "_site" / "execute.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def done(execute, folder) -> nbformat.NotebookNode:
    """The notebook after it ran, and a cell after it that keeps what it drew. A cell that fails is an error here."""
    watched = nbformat.read(NOTEBOOK, as_version=4)
    watched.cells.append(nbformat.v4.new_code_cell(WITNESS))
    nbformat.write(watched, folder / "watched.ipynb")
    return execute.executed(folder / "watched.ipynb", folder)


def test_every_cell_ran_and_shows_what_it_shows_in_the_documents(done, execute):
    ran = [cell for cell in execute.presentable(done).cells if cell.cell_type == "code"][:-1]
    stored = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in ran] == list(range(1, len(ran) + 1))
    assert [_kinds(cell) for cell in ran] == [_kinds(cell) for cell in stored]
    assert _text(ran[0]) == _text(stored[0]) == "12", "directions"
    [table, curve] = [_html(cell) for cell in ran if "<table" in _html(cell)]
    assert table.count("<tr>") - 1 == 12 and "linear-discriminant/disentangled" in table
    assert "limit_of_smile" in curve


def test_what_it_drew_is_what_its_text_says(done, folder):
    """By the annotator, which nothing in the cells that drew has seen. A smile of the samples is 0.24 ± 0.43."""
    drawn = np.load(folder / "witness.npz")
    scored = annotator("portraits")
    names, score = list(scored.attributes), scored.load()
    means = {name: score(drawn[name]).mean(axis=0) for name in drawn.files if name != "hooks"}
    smile, yaw = names.index("smile"), names.index("yaw")
    rising = [means[f"smile{strength}"][smile] for strength in ("-1.5", "0", "1.5", "3")]
    assert rising == sorted(rising)
    assert rising[2] - rising[1] > 0.5 * 0.43, "1.5 standard deviations are asked for"
    assert means["both"][smile] > means["smile0"][smile] and means["both"][yaw] < means["smile0"][yaw] - 0.2
    assert drawn["hooks"] == 0, "the pipeline is as it was"


def test_what_it_wrote_can_be_read(done, folder):
    catalog = DirectionCatalog.from_pretrained(folder / "first" / "published")
    assert set(catalog.recommended) == {"smile", "yaw"} and len(catalog) == 12
    files = json.loads((folder / "first" / "vectors" / "directions.json").read_text())
    assert set(files) == set(catalog)
    assert "True" in _text([cell for cell in done.cells if cell.cell_type == "code"][-2])


def test_what_is_stored_is_small_and_says_nothing_of_a_machine():
    text = NOTEBOOK.read_text()
    assert len(text) < 150_000
    stored = nbformat.reads(text, as_version=4)
    nbformat.validate(stored)
    assert all(cell.outputs for cell in stored.cells if cell.cell_type == "code")
    said = json.dumps([cell.get("outputs") for cell in stored.cells])
    assert not re.search(r"/(?:tmp|home|root|Users|work)/|Traceback|stderr", said)


def _kinds(cell: nbformat.NotebookNode) -> list[list[str]]:
    return [sorted(output.get("data", {"text": ""})) for output in cell.outputs]


def _text(cell: nbformat.NotebookNode) -> str:
    return "".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs)


def _html(cell: nbformat.NotebookNode) -> str:
    return "".join(output.get("data", {}).get("text/html", "") for output in cell.outputs)
