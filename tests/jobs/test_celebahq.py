"""The paper's set-up, wired: a model of one's own stands for the one that would have to be fetched."""

import pytest
from typer.testing import CliRunner

from jobs.celebahq import SMALL, WHOLE, small, whole
from jobs.command_line import app

PLUGS = """
import numpy as np
from pipeline.annotators import attributes


@attributes("warm", "bright", thresholds=[0, 128])
def labels(images):
    red, _, blue = np.moveaxis(images.mean(axis=(1, 2)), -1, 0)
    return np.stack([red - blue, red + blue], axis=1)
"""


@pytest.mark.parametrize(
    ("size", "run", "source", "parts"), [("whole", WHOLE, "sketched-sample", 25), ("small", SMALL, "sample", 32)]
)
def test_the_plan(size, run, source, parts, tiny_model, tmp_path, monkeypatch):
    (tmp_path / f"{size}_plugs.py").write_text(PLUGS)
    monkeypatch.chdir(tmp_path)
    who = ["--annotator", f"{size}_plugs:labels", "--judge", f"{size}_plugs:labels", "--allow-judge", "labels"]
    wanted = [size, *who, "--model", str(tiny_model), "--root", str(tmp_path / "root"), "--plan"]
    result = CliRunner().invoke(app(whole, small), wanted, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    planned = [line.split()[:2] for line in result.stdout.splitlines() if line.strip()]
    by_name = {name.rpartition("-")[0]: int(count) for name, count in planned if count.isdigit()}
    assert by_name[source] == parts
    assert by_name["principal-components-steps"] == run.steps == 50
    assert run.components == 25 and {"mean-difference", "linear-discriminant", "catalog"} <= by_name.keys()


def test_who_labels_is_asked_before_anything_is_fetched(tmp_path):
    result = CliRunner().invoke(app(whole, small), ["whole", "--root", str(tmp_path / "root")], catch_exceptions=False)
    assert result.exit_code == 2 and "Nobody labels the samples: name an --annotator" in result.stderr
