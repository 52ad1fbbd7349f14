"""The job that says where attributes are carried: its tables, what it offers, and what it refuses."""

import json
import re
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from jobs.carriage import LINES, carriage, outermost
from jobs.command_line import app
from pipeline.hspace.points import Point
from pipeline.models import pretrained
from pipeline.recipes.choose import carriage as chosen_by
from pipeline.recipes.domain import Domain
from schemas.run import Run
from tests.pipeline.planted_models import save, unet

PIXELS = ("brightness", "contrast", "warmth", "saturation", "sharpness")
SMALL = ("--samples", 4, "--steps", 3, "--batch", 8)


def job(*arguments: object) -> Result:
    return CliRunner().invoke(app(carriage), [*map(str, arguments)], catch_exceptions=False)


def run(*arguments: object) -> Result:
    return job(*arguments, "--workers", 0)


@pytest.fixture(scope="module")
def made(tiny_model, tmp_path_factory) -> tuple[Path, Result]:
    root = tmp_path_factory.mktemp("made") / "root"
    result = run(tiny_model, "--annotator", "pixels", "--foreground", "box:0,0,8,16", *SMALL, "--root", root)
    assert result.exit_code == 0, result.output
    return root, result


def test_two_tables_of_attributes_by_points_and_the_points_on_offer(made, tiny_model):
    root, result = made
    offered, whole, thirds = result.stdout.split("\n\n")[-3:]
    assert "mid_block.attentions.0 " in offered and "16 x 8 x 8" in offered and len(offered.splitlines()) <= LINES + 2
    for table, numbers in ((whole, 1), (thirds, 3)):
        lines = table.splitlines()
        heading = next(line for line in lines if "mid_block" in line)
        assert heading.split() == ["mid_block", "up_blocks.0", "up_blocks.1"]
        rows = {line.split()[0]: line for line in lines[lines.index(heading) + 1 :]}
        assert rows.keys() >= {*PIXELS, "image", "foreground", "background"}
        assert rows["image"].count("." if numbers == 3 else "(") == 3 * numbers
    assert f"Tables: {root / 'carriage-'}" in result.stdout


def test_the_same_for_machines_and_nothing_is_made_twice(made, tiny_model):
    root, _ = made
    before = sorted(root.rglob("*"))
    again = run(tiny_model, "--annotator", "pixels", "--foreground", "box:0,0,8,16", *SMALL, "--root", root, "--json")
    found = json.loads(again.stdout)
    assert sorted(root.rglob("*")) == before
    assert [each["name"] for each in found["points"]] == [
        each.name for each in pretrained.find(str(tiny_model)).points()
    ]
    of_images = [row for row in found["carriage"] if row["what"] == "image" and row["third"] is None]
    assert [row["point"] for row in of_images] == ["mid_block", "up_blocks.0", "up_blocks.1"]
    assert all(row["low"] <= row["share"] <= row["high"] for row in of_images)


def test_a_run_that_chooses_its_points_finds_what_the_job_has_made(made, tiny_model):
    root, _ = made
    wanted = Run(model=str(tiny_model), annotator="pixels", attributes=(), foreground="box:0,0,8,16", steps=3, batch=8)
    with_judge = wanted.model_copy(update={"judge": ("pixels",), "allow_judge": ("pixels",)})
    stage = chosen_by(with_judge, Domain.of(with_judge))
    assert stage.n == 64 and stage.points == ("mid_block", "up_blocks.0", "up_blocks.1")
    same = type(stage)(stage.sample, stage.points, stage.annotator, 4, stage.foreground)
    assert (root / same.folder).is_dir()


def test_points_that_are_named_and_nobody_who_scores(tiny_model, tmp_path):
    named = ["up_blocks.1:input", "mid_block+up_blocks.0", "down_blocks.0", "down_blocks.1", "mid_block", "up_blocks.1"]
    points = ", ".join(named)  # more than 80 columns have room for
    result = run(tiny_model, "--points", points, *SMALL, "--root", tmp_path / "root")
    assert result.exit_code == 0, result.output
    assert "nobody scores attributes" in result.stdout and "brightness" not in result.stdout
    heading = next(line for line in result.stdout.splitlines() if "up_blocks.1:input" in line)
    assert heading.split() == named and "…" not in result.stdout


def test_a_u_net_without_a_mid_block(tmp_path):
    model = save(tmp_path / "model", unet=unet(sample_size=16, mid_block_type=None))
    result = run(model, "--annotator", "pixels", *SMALL, "--root", tmp_path / "root")
    assert result.exit_code == 0, result.output
    heading = next(
        line for line in result.stdout.splitlines() if line.split()[:1] == ["up_blocks.0"] and "x" not in line
    )
    assert heading.split() == ["up_blocks.0", "up_blocks.1"]
    refused = run(model, "--points", "mid_block", *SMALL, "--root", tmp_path / "other")
    assert refused.exit_code == 2 and "has no mid block" in refused.stderr


def test_two_steps_have_no_thirds_to_show(tiny_model, tmp_path):
    result = run(tiny_model, "--points", "mid_block", "--samples", 2, "--steps", 2, "--root", tmp_path / "root")
    assert result.exit_code == 0 and "noisiest third" not in result.stdout, result.output


def test_the_plan(tiny_model, tmp_path):
    result = run(tiny_model, *SMALL, "--root", tmp_path / "root", "--plan", "--time", "--json")
    assert result.exit_code == 0, result.output
    planned = json.loads(result.stdout)
    assert planned["to_make"] == 3 and 0 < planned["hours"] < 1 and not (tmp_path / "root").exists()


def test_a_dtype_is_chosen_first_where_that_is_asked(tiny_model, tmp_path):
    wanted = (tiny_model, "--points", "mid_block", *SMALL, "--dtype", "auto", "--root", tmp_path / "root")
    assert "not chosen yet" in run(*wanted, "--plan").stdout
    result = run(*wanted)
    assert result.exit_code == 0, result.output
    [found] = re.findall(r"The U-Net runs in (float32|bfloat16):", result.stdout)
    before = sorted(tmp_path.rglob("0*.json"))
    assert {each.parent.name.rpartition("-")[0] for each in before} == {"dtypes", "carriage"}
    assert f"The U-Net runs in {found}:" in run(*wanted).stdout
    assert run(*wanted[:-4], "--dtype", found, "--root", tmp_path / "root").exit_code == 0
    assert sorted(tmp_path.rglob("0*.json")) == before


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        ("--points up_blocks.9", ["has no module up_blocks.9", "has 0, 1"]),
        ("--points mid-block", ["'mid-block' is no capture point"]),
        ("--points ''", ["'' is no capture point"]),
        ("--points after,mid_block", ["mid_block, mid_block: expected capture points, each once"]),
        ("--samples 5", ["between 5 samples: expected pairs"]),
        ("--steps 0", ["T = 0 steps"]),
        ("--steps many", ["--steps is 'many': expected a whole number"]),
        ("--annotator nobody", ["nobody"]),
        ("--foreground box:0,0,99,99", ["does not lie in images"]),
        ("--annotator pixels --annotator pixels", ["--annotator is given twice"]),
    ],
)
def test_what_cannot_work_is_refused_before_work(arguments, messages, tiny_model, tmp_path):
    import shlex

    result = run(tiny_model, *shlex.split(arguments), "--root", tmp_path / "root")
    assert result.exit_code == 2 and "Traceback" not in result.output, result.output
    for message in messages:
        assert message in result.stderr, result.stderr
    assert not (tmp_path / "root").exists()


def test_a_model_must_be_named_and_be_there(tmp_path):
    assert "Missing argument" in run("--root", tmp_path / "root").stderr
    result = run(tmp_path / "nowhere", "--root", tmp_path / "root")
    assert result.exit_code == 2 and "nowhere" in result.stderr


def test_of_many_points_the_outermost_are_shown():
    blocks = [f"up_blocks.{i}" for i in range(4)]
    resnets = [f"{block}.resnets.{i}" for block in blocks for i in range(3)]
    leaves = [f"{resnet}.conv{i}" for resnet in resnets for i in range(5)]
    offered = [Point(name, (4, 2, 2)) for name in sorted([*blocks, *resnets, *leaves])]
    assert [each.name for each in outermost(offered)] == sorted([*blocks, *resnets])
    assert outermost(offered[:30]) == offered[:30]
    flat = [Point(f"layer{i}", (4, 2, 2)) for i in range(200)]
    assert outermost(flat) == flat[: LINES - 1]
