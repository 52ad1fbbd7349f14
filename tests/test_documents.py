"""What the documents say to type, typed at small sizes: every snippet of the README, and of the pages on annotators and on
the science alone."""

import os
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.main import get_command
from typer.testing import CliRunner

from jobs.apply import apply
from jobs.command_line import app
from jobs.directions import directions
from jobs.portraits import portraits
from pipeline.annotators.registry import annotator
from pipeline.catalog.direction_catalog import DirectionCatalog

ROOT = Path(__file__).parents[1]
START = (ROOT / "docs" / "start.md").read_text()
SMALL = {"samples": 24, "steps": 2, "top": 8, "components": 2, "jacobians": 2, "held_out": 4}


def snippets(document: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / document).read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    """A folder in which the README's plugs are."""
    [plugs, _] = snippets("README.md", "python")
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "my_plugs.py").write_text(plugs)
    return folder


@pytest.fixture
def standing_there(elsewhere, monkeypatch) -> Path:
    monkeypatch.chdir(elsewhere)
    monkeypatch.syspath_prepend(elsewhere)
    return elsewhere


@pytest.fixture(autouse=True)
def plugs_are_imported_anew(monkeypatch):
    import sys

    monkeypatch.delitem(sys.modules, "my_plugs", raising=False)
    yield
    sys.modules.pop("my_plugs", None)


def test_the_readmes_file_is_a_run_of_five_lines_and_makes_a_catalog(standing_there, tiny_model):
    [file] = snippets("README.md", "toml")
    assert len(tomllib.loads(file)) == len(file.splitlines()) == 5
    (standing_there / "mine.toml").write_text(file.replace("path/to/model", str(tiny_model)))
    [command] = re.findall(r"^python -m jobs.directions (.*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    small = [word for name, value in SMALL.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    result = CliRunner().invoke(app(directions), [*command.split(), *small, "--workers", "0"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert {each.attribute for each in DirectionCatalog.open("runs/mine/catalog").about.directions} >= {
        "bright",
        "contrast",
    }


def test_the_readmes_python_makes_a_catalog(standing_there, tiny_model):
    """The same as the file: where that was made, this finds it there."""
    [_, code] = snippets("README.md", "python")
    assert len([line for line in code.splitlines() if line]) == 3
    small = ", ".join(f"{name}={value}" for name, value in SMALL.items())
    code = code.replace("path/to/model", str(tiny_model)).replace("Run(", f"Run({small}, ")
    made: dict = {}
    exec(code, made)
    assert {each.attribute for each in made["catalog"].about.directions} >= {"bright", "contrast"}


def test_a_network_as_an_annotator(tmp_path, monkeypatch):
    [function, code] = snippets("docs/your_annotator.md", "python")
    assert function.strip() in snippets("README.md", "python")[0], "the page has the README's annotator"
    (tmp_path / "my_networks.py").write_text(code)
    network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 2))
    any_batch = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(network.eval(), (torch.zeros(2, 3, 8, 8),), dynamic_shapes=any_batch)
    torch.export.save(program, tmp_path / "churches.pt2")
    monkeypatch.chdir(tmp_path)
    found = annotator("my_networks:Churches")
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    expected = network(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255).detach().numpy()
    assert found.attributes == ("tower", "sky")
    assert np.allclose(found.load()(images), expected, atol=1e-6)


def test_the_science_alone(tiny_model):
    sampling, jacobian = snippets("docs/notebook.md", "python")
    cells: dict = {"mask": torch.ones(1, 1, 16, 16)}
    exec(sampling.replace("google/ddpm-celebahq-256", str(tiny_model)), cells)
    assert cells["images"].shape == (3, 16, 16, 3) and cells["v"].shape == (50, 16, 8, 8)
    plus, minus = cells["images"][2].astype(int), cells["images"][0].astype(int)
    assert np.abs(plus - minus).max() > 0, "the strengths are different"
    exec(jacobian, cells)
    assert cells["v"].shape == (16, 8, 8) and torch.allclose(cells["v"].norm(), torch.tensor(1.0), atol=1e-4)


def test_what_the_first_page_says_to_type_is_a_command():
    """Every option of its two jobs is one, and what is typed is what is shown: their jobs are tested elsewhere."""
    typed = [
        block.replace("\\\n", " ").split()
        for block in re.findall(r"^python -m (jobs.*?)^```", START, re.DOTALL | re.MULTILINE)
    ]
    known = {"jobs.portraits": app(portraits), "jobs.apply": app(apply)}
    assert [words[0] for words in typed] == list(known)
    for words in typed:
        options = {each for option in get_command(known[words[0]]).params for each in option.opts}
        assert {word for word in words if word.startswith("-")} <= options, words[0]


def test_the_readme_is_two_or_three_screens():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 160 and os.path.getsize(ROOT / "README.md") < 14_000
