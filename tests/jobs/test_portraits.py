"""The main job through its command line: what it refuses and how, what it plans, and a tiny run from noise to catalog."""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
import typer
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from jobs import making
from jobs.portraits import portraits as portraits_job
from pipeline.domains import portraits
from pipeline.domains.portraits.data import draw
from pipeline.engine.store import Store
from schemas.catalog import Catalog
from schemas.run_summary import SUMMARY_FILE

ROOT = Path(__file__).parents[2]
TINY = shlex.split(
    "--samples 12 --steps 2 --top 4 --components 2 --held-out 6 --attributes smile,glasses --workers 0 "
    "--jacobians 5 --region image --region box:4,4,12,12"
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(portraits_job)


def job(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*TINY, *map(str, arguments)], catch_exceptions=False)


@pytest.fixture(scope="module", autouse=True)
def tiny_in_the_place_of_the_bundled_one(tiny_model):
    """The job works on the bundled model alone; here that is one which samples in a moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portraits, "MODEL", tiny_model)
        yield


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def model(tiny_model, tmp_path) -> Path:
    """A copy, to be damaged."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


# What is refused


def refused(result: Result, *messages: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) <= 5, "one screen"
    for message in messages:
        assert message in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        ("--attributes smile,beard", ("'portraits' does not score 'beard'", "It scores ", "glasses")),
        ("--attributes ,", ("--attributes is '': expected a name",)),
        ("--attributes smile,smile", ("--attributes is 'smile,smile': expected each once",)),
        ("--top 7", ("7 positives and 7 negatives need 14 samples, and there will be 12", "Lower --top or raise")),
        ("--top 0", ("n = 0 positives: expected at least 1",)),
        ("--top -3", ("n = -3 positives: expected at least 1",)),
        ("--samples -1", ("-1 samples in batches of 32: expected at least 1",)),
        ("--samples 0", ("0 samples in batches of 32: expected at least 1",)),
        ("--steps 0", ("T = 0 steps: expected 1 to 1000",)),
        ("--steps -2", ("T = -2 steps: expected 1 to 1000",)),
        ("--steps 1001", ("T = 1001 steps: expected 1 to 1000",)),
        ("--eta -0.5", ("eta = -0.5: expected 0 (DDIM) to 1 (DDPM)",)),
        ("--components -1", ("-1 principal components of 12 samples: expected 1 to half",)),
        ("--components 7", ("7 principal components of 12 samples: expected 1 to half",)),
        ("--held-out -1", ("-1 held-out samples: expected at least 2",)),
        ("--address 10.0.0.1:6379", ("--workers 0 works in this process, and --address 10.0.0.1:6379 on a cluster",)),
        ("--workers -1", ("-1 workers: expected at least 1, or 0 to work in this process",)),
        ("--jacobians -1", ("Jacobians need at least one sample",)),
        ("--region hat", ("There is no mask 'hat'; expected eyes, nose, mouth, head, box:LEFT,TOP,RIGHT,BOTTOM",)),
        ("--region box:1,2", ("'box:1,2' is no box; expected box:LEFT,TOP,RIGHT,BOTTOM",)),
        ("--region box:0,0,17,4", ("The box 0,0,17,4", "does not lie in images of 16 x 16 pixels")),
        ("--protocol long", ("--protocol is 'long': expected 'demo' or 'paper'",)),
        ("--judge portraits", ("'portraits' labels the samples", "--allow-judge")),
        ("--judge beard", ("There is no annotator 'beard'; there are mtcnn, pixels, portraits, portraits-judge",)),
        ("--facenet-weights no-such-file", ("There are no FaceNet weights ", "no-such-file")),
        ("--images no-such-folder", ("no-such-folder does not exist; expected a folder of images (.png, ",)),
        ("--model no-such-folder", ("no model folder no-such-folder", "Expected a folder with unet/ and scheduler/")),
    ],
)
def test_what_cannot_work_is_refused_and_nothing_is_written(arguments, messages, tiny_model, root):
    refused(job("--model", tiny_model, "--root", root, *arguments.split()), *messages)
    assert not root.exists()


def test_another_model_than_the_annotator_knows(tiny_unet, model, root):
    """Its drawings' network would label anything, and nothing would say so."""
    for parameter in tiny_unet.parameters():
        parameter.add_(1.0)
    tiny_unet.save_pretrained(model / "unet")
    refused(
        job("--model", model, "--root", root), f"{model} is another model", "'portraits'", "python -m jobs.directions"
    )
    assert not root.exists()


def test_a_relative_root_on_a_cluster(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = job("--root", "runs/here", "--workers", 2, "--address", "10.0.0.1:6379")
    refused(result, "--root runs/here is relative", "Give --root as the absolute path of a folder")
    assert not list(tmp_path.iterdir())


def test_a_model_without_weights(model, root):
    (model / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    refused(job("--model", model, "--root", root), "holds no weights; expected diffusion_pytorch_model.safetensors")
    assert not root.exists()


def test_a_model_in_a_pickle_of_more_than_tensors(model, root):
    weights = model / "unet" / "diffusion_pytorch_model.safetensors"
    weights.unlink()
    torch.save({"step": 3}, weights.with_suffix(".bin"))
    refused(job("--model", model, "--root", root), "holds more than tensors by name: under 'step' is one of type int")
    assert not root.exists()


def test_a_model_with_a_wrong_channel_count_at_the_bottleneck(model, root):
    config = model / "unet" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "block_out_channels": [8, 12]}))
    refused(job("--model", model, "--root", root), "has shape (16,)", "but config.json makes it (12,)")
    assert not root.exists()


@pytest.mark.parametrize("below", ["", "below/that"])
def test_a_root_that_cannot_be_written(below, tiny_model, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    refused(job("--model", tiny_model, "--root", file / below), f"Cannot write to {file / below} (", "--root")
    assert file.read_text() == "mine"


def test_too_little_disk(tiny_model, root, monkeypatch):
    monkeypatch.setattr(Store, "free_bytes", lambda self: 3_000_000)
    result = job("--model", tiny_model, "--root", root)
    refused(result, "This run writes about 0.0", f"and {root} has 0.00 GB left", "Give a --root on a larger disk")
    assert not root.exists()


def test_the_real_command_ends_with_the_exit_code_and_a_message_of_a_few_lines(root):
    command = [sys.executable, "-m", "jobs.faces", "--root", str(root), "--model", "no-such-folder"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("Error: There is no model folder no-such-folder.\n")
    assert len(result.stderr.splitlines()) <= 5 and result.stdout == ""
    assert not root.exists()


# What is planned


def test_the_plan_says_what_would_be_made_and_writes_nothing(tiny_model, root):
    result = job("--model", tiny_model, "--root", root, "--plan")
    assert result.exit_code == 0
    rows = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines() if line.strip()}
    assert rows["stage"] == ["parts", "there", "to", "make", "GB", "to", "write", "for"]
    by_name = {stage.rpartition("-")[0]: figures for stage, figures in rows.items()}
    assert by_name["sample"][:3] == ["1", "0", "1"]
    assert by_name["catalog"][:3] == ["1", "0", "1"]
    assert {len(figures) for name, figures in by_name.items() if name} >= {4}
    assert int(rows["total"][0]) >= 20
    assert f"{root}: " in result.stdout and "GB free" in result.stdout
    assert not root.exists()


# A run


@pytest.fixture(scope="module")
def made(tiny_model, tmp_path_factory) -> tuple[Path, Result]:
    """A tiny run in this process; its root, in whose name rich would find markup, and what it printed."""
    root = tmp_path_factory.mktemp("made") / "[bold]root with a long name, so that lines would be wrapped in it"
    result = job("--model", tiny_model, "--root", root)
    assert result.exit_code == 0, result.output
    return root, result


def test_a_run_ends_with_a_catalog_whose_sums_hold_and_says_where_it_is(made):
    root, result = made
    [folder] = root.glob("catalog-*/00000-*")
    assert f"Catalog:  {root / 'catalog'}\n" in result.stdout
    assert (root / "catalog").resolve() == folder.resolve()
    listed = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert listed.keys() == {path.name for path in folder.iterdir()} - {"SHA256SUMS"}
    assert listed.keys() >= {"catalog.json", "directions.parquet", "directions.safetensors", "effects.parquet"}
    for name, expected in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected


def test_progress_is_plain_lines_where_there_is_no_terminal(made):
    _, result = made
    assert re.search(r" s  sample: 1 of 1 parts; in all \d+ of about \d+ parts; about \d+ s left\n", result.stdout)
    assert "\x1b" not in result.output


def test_nothing_is_left_in_the_making(made):
    root, _ = made
    assert list((root / ".scratch").iterdir()) == []
    assert list(root.glob("**/.0*")) == []


def test_a_second_run_makes_nothing_and_changes_nothing(made, tiny_model, monkeypatch):
    root, first = made

    def files() -> dict[Path, int]:
        """When each was written, but for the account of the latest run."""
        found = (path for path in root.rglob("*") if path.is_file() and path.name != SUMMARY_FILE)
        return {path: path.stat().st_mtime_ns for path in found}

    before = files()
    monkeypatch.setattr(making.Making, "open_pool", lambda *_: pytest.fail("nothing is missing, so no pool is needed"))
    again = job("--model", tiny_model, "--root", root)
    assert again.exit_code == 0
    assert files() == before
    assert again.stdout.splitlines()[-1] == first.stdout.splitlines()[-1]


def test_a_catalog_that_was_damaged_is_not_handed_over(made, tiny_model, tmp_path):
    root = shutil.copytree(made[0], tmp_path / "root")
    [vectors] = root.glob("catalog-*/00000-*/directions.safetensors")
    whole = vectors.read_bytes()
    vectors.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    result = job("--model", tiny_model, "--root", root)
    refused(result, f"{vectors} has changed since it was written", "00000.json and run the same command")
    assert "Catalog:" not in result.stdout


def test_the_plan_of_a_finished_run_has_nothing_to_make(made, tiny_model):
    root, _ = made
    result = job("--model", tiny_model, "--root", root, "--plan")
    assert ["total", "0", "0.000"] in [line.split() for line in result.stdout.splitlines()]


def test_a_moved_model_and_a_moved_root_are_recognised(made, model, tmp_path):
    root, _ = made
    shutil.copytree(root, tmp_path / "elsewhere")
    result = job("--model", os.path.relpath(model), "--root", tmp_path / "elsewhere", "--plan")
    stages = [line.split() for line in result.stdout.splitlines() if re.match(r" *[a-z-]+-[0-9a-f]{16} ", line)]
    to_make = {name.rpartition("-")[0] for name, _, _, parts, *_ in stages if parts != "0"}
    assert len(stages) > 20 and to_make <= {"catalog", "explorer"}, "a catalog names the model as it was given"


def test_effects_are_by_every_judge_beside_a_control_and_calibrated(made):
    root, _ = made
    [folder] = root.glob("catalog-*/00000-*")
    effects, profiles = (pq.read_table(folder / f"{name}.parquet").to_pandas() for name in ("effects", "profiles"))
    assert set(effects["judge"]) == {"portraits-judge", "mtcnn"}
    compared = effects[~effects["control"] & (effects["judge"] == "portraits-judge")]
    assert compared["control_limit"].notna().all() and compared["significant"].notna().all()
    catalog = Catalog.model_validate_json((folder / "catalog.json").read_text())
    assert [each.name for each in catalog.directions if each.label] == profiles["direction"].tolist()
    assert len(profiles) == len(catalog.directions)
    directions = pq.read_table(folder / "directions.parquet").to_pandas().set_index("name")
    calibrated = [
        pq.read_table(path).to_pandas()["direction"] for path in root.glob("edit-calibrated-*/*/edits.parquet")
    ]
    names = set(pd.concat(calibrated)) - {"unedited"}
    tried = {(directions.loc[name, "method"], directions.loc[name, "parents"] is not None) for name in names}
    assert {("ridge", True), ("mean-difference", False), ("principal-components", False)} <= tried
    few = {("ridge", False), ("mean-difference", True)}
    assert not tried & few, "those are measured on a few samples only"
    preserved = pq.read_table(folder / "preservation.parquet").to_pandas()
    assert set(profiles["direction"]) < set(preserved["direction"])
    assert set(pq.read_table(folder / "learning_curve.parquet").to_pandas()["space"]) == {"h", "x_T"}


def test_one_setting_measures_as_the_paper_does(tiny_model, root):
    """Table I: 100 samples of each of 10 seeds, before and after the projection."""
    result = job("--model", tiny_model, "--root", root, "--protocol", "paper", "--by-effects", "--plan")
    planned = [line.split()[:2] for line in result.stdout.splitlines() if line.strip()]
    parts = {name.rpartition("-")[0]: int(count) for name, count in planned[1:] if count.isdigit()}
    assert (parts["searches"], parts["disentangle-by-effects"]) == (2, 1), "one search an attribute"
    edits = [int(count) for name, count in planned if name.rpartition("-")[0] == "edit"]
    directions = 2 * (2 + 2 + 2 + 2)  # differences, classifiers and discriminants, before and after, and by effects
    assert max(edits) == -(-1000 // 64) - (-1000 * directions // 64)


def test_directions_of_single_images_are_in_the_catalog_with_what_they_do(made):
    root, _ = made
    [folder] = root.glob("catalog-*/00000-*")
    directions = pq.read_table(folder / "directions.parquet").to_pandas().dropna(subset="mask")
    assert directions["mask"].value_counts().to_dict() == {"image": 5, "box-4-4-12-12": 5}
    transfer, locality = (pq.read_table(folder / f"{name}.parquet").to_pandas() for name in ("transfer", "locality"))
    assert set(transfer["direction"]) == set(directions.dropna(subset="sample_id")["name"])
    assert set(locality["direction"]) == set(directions["name"]) and set(locality["region"]) == {"box-4-4-12-12"}
    card = (folder / "README.md").read_text()
    assert "`transfer.parquet`" in card and "`locality.parquet`" in card
    [page] = root.glob("explorer-*/00000-*/effects.html")
    assert "Directions of single images" in page.read_text()


def test_without_jacobians_there_are_none(root):
    tiny = [word for word in TINY if word not in ("--region", "image", "box:4,4,12,12")]
    result = CliRunner().invoke(app, [*tiny, "--jacobians", "0", "--plan", "--root", str(root)], catch_exceptions=False)
    assert result.exit_code == 0 and "jacobian-" not in result.stdout and "transfer-" not in result.stdout


def test_a_region_that_no_sample_has_is_left_out_and_named(made, tiny_model, tmp_path):
    """The tiny model draws noise, and there is no mouth in it."""
    root = shutil.copytree(made[0], tmp_path / "root", symlinks=True)
    result = job("--model", tiny_model, "--root", root, "--region", "mouth")
    assert result.exit_code == 0 and "Left out: region mouth: none of 5 samples has it.\n" in result.stdout


# Real images


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> Path:
    """24 portraits, wider than high, in a folder of their own."""
    folder = tmp_path_factory.mktemp("photographs")
    for i, pixels in enumerate(draw(24, seed=987_654).permute(0, 2, 3, 1).numpy()):
        Image.fromarray(np.pad(pixels, ((0, 0), (6, 6), (0, 0)), "edge")).save(folder / f"{i}.png")
    return folder


def test_too_few_real_images(tiny_model, root, photographs):
    result = job("--model", tiny_model, "--root", root, "--images", photographs, "--top", 13)
    refused(result, "need 26 samples, and there will be 24", "Lower --top or give more images")
    assert not root.exists()


def test_directions_are_found_in_real_images_and_measured_on_samples(tiny_model, root, photographs):
    result = job("--model", tiny_model, "--root", root, "--images", photographs)
    assert result.exit_code == 0, result.output
    catalog = Catalog.model_validate_json(next(root.glob("catalog-*/00000-*/catalog.json")).read_text())
    assert (catalog.sampling.found_in, catalog.sampling.n, catalog.sampling.eta) == ("real images", 24, 1.0)
    made = {stage["stage"]: stage for stage in catalog.stages}
    annotated = [stage["settings"]["sample"] for stage in catalog.stages if stage["stage"] == "annotate"]
    assert f"invert-{made['invert']['fingerprint']}" in annotated
    [own] = [each for each in catalog.stages if each["stage"] == "sample" and each["settings"]["eta"] == 1.0]
    yardstick = f"sample-{own['fingerprint']} up to {own['settings']['n']}"
    assert made["edit"]["settings"]["sample"] == yardstick
    behind = [each for each in catalog.stages if each["stage"] != "catalog"]  # which has the run as it was given
    assert str(photographs) not in json.dumps(behind)

    [folder] = root.glob("catalog-*/00000-*")
    assert "found on 24 real images, inverted, and measured on samples" in (folder / "README.md").read_text()
    [page] = root.glob("explorer-*/00000-*/about.html")
    assert "24 real images, as the model sees them" in page.read_text()
