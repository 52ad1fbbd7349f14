"""The job for any model, with plugs of another folder: what a person types there, and what it ends with."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from jobs.clean import clean
from jobs.command_line import app
from jobs.directions import directions
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.hspace.dtypes import Choice, Timed, chosen
from pipeline.recipes.make import make
from pipeline.stages.sources.dtypes import Dtypes
from schemas.run import Run

ROOT = Path(__file__).parents[2]

PLUGS = """
import numpy as np

from pipeline.annotators import attributes
from shades import halves  # beside it


@attributes("bright", "sided", "high", thresholds=[float("nan"), 0, 1000])
def annotator(images):
    left, right = halves(images, np.mean)
    return np.stack([(left + right) / 2, left - right, left], axis=1)


@attributes("bright", "sided")
def judge(images):
    left, right = halves(images, np.median)
    return np.stack([(left + right) / 2, left - right], axis=1)
"""
SHADES = """
def halves(images, of):
    middle = images.shape[2] // 2
    return of(images[:, :, :middle], axis=(1, 2, 3)), of(images[:, :, middle:], axis=(1, 2, 3))
"""
WHO = ["--annotator", "my_plugs:annotator", "--judge", "my_plugs:judge"]
SMALL = ["--samples", "64", "--steps", "4", "--top", "16", "--held-out", "4", "--components", "2", "--jacobians", "2"]
SMALL += ["--capture", "mid_block"]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    """A folder outside this repository, with plugs."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "my_plugs.py").write_text(PLUGS)
    (folder / "shades.py").write_text(SHADES)
    return folder


@pytest.fixture
def standing_there(elsewhere, monkeypatch) -> Path:
    monkeypatch.chdir(elsewhere)
    return elsewhere


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """Another shape and size than any model here: 12 x 20 pixels, and h of another width."""
    from diffusers import DDIMScheduler

    from tests.pipeline.planted_models import save, unet

    network = unet(sample_size=[12, 20], block_out_channels=(8, 24))
    return save(tmp_path_factory.mktemp("other") / "model", DDIMScheduler(), unet=network)


def job(*arguments: object) -> Result:
    return CliRunner().invoke(app(directions), [*map(str, arguments)], catch_exceptions=False)


def run(*arguments: object) -> Result:
    return job(*arguments, "--workers", 0)


def started(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The job as a process of its own, from another folder."""
    command = [sys.executable, "-m", "jobs.directions", *map(str, arguments)]
    path = {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env={**os.environ, **path}, capture_output=True, text=True, check=False)


def sums(root: Path) -> dict[str, str]:
    """The SHA-256 of each file of a root's catalog."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (root / "catalog").iterdir()}


# From noise to catalog


@pytest.fixture(scope="module")
def made(elsewhere, model, tmp_path_factory) -> tuple[Path, Result]:
    root = tmp_path_factory.mktemp("made") / "root"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(elsewhere)
        result = run("--model", model, *WHO, "--attributes", "bright,sided", *SMALL, "--root", root)
    assert result.exit_code == 0, result.output
    return root, result


def test_a_catalog_of_another_model_by_plugs_of_another_folder(made):
    root, result = made
    catalog = DirectionCatalog.open(root / "catalog")
    of_attributes = catalog.table("directions.parquet").dropna(subset="attribute")
    assert set(of_attributes["attribute"]) == {"bright", "sided"} and set(of_attributes["annotator"]) == {"annotator"}
    assert set(catalog.table("effects.parquet")["judge"]) == {"judge"}
    assert [(each.point, each.shape) for each in catalog.about.captures] == [("mid_block", [24, 6, 10])]
    assert f"Catalog:  {root / 'catalog'}\nExplorer: {root / 'explorer' / 'index.html'}\n" in result.stdout
    assert "bright: bright/" in result.stdout and "moves it by" in result.stdout


def test_nothing_of_it_speaks_of_faces_or_portraits(made):
    root, result = made
    texts = [path.read_text() for path in (root / "catalog").iterdir() if path.suffix in (".md", ".json", ".toml")]
    texts += [path.read_text() for path in (root / "explorer").rglob("*.html")]
    for text in (*texts, result.output):
        assert not {"face", "portrait"} & set(text.lower().replace("-", " ").replace("_", " ").split())


def test_the_recorded_run_makes_the_same_bytes_with_ray(made, elsewhere, tmp_path):
    root, _ = made
    again = started(elsewhere, root / "catalog" / "run.toml", "--workers", 2, "--root", tmp_path / "ray", "--json")
    assert again.returncode == 0, again.stderr
    assert sums(tmp_path / "ray") == sums(root)
    found = json.loads(again.stdout)
    assert found["catalog"] == str(tmp_path / "ray" / "catalog") and Path(found["explorer"]).is_file()
    assert {each["attribute"] for each in found["recommended"]} == {"bright", "sided"}


def test_a_run_of_relative_paths_makes_the_same_in_another_folder(elsewhere, model, tmp_path, monkeypatch):
    small = ["--attributes", "", "--samples", 8, "--steps", 2, "--held-out", 4, "--components", 1, "--jacobians", 0]
    monkeypatch.chdir(model.parent)
    first = run("--model", model.name, *small, "--root", tmp_path / "root")
    monkeypatch.chdir(elsewhere)
    again = run(tmp_path / "root" / "catalog" / "run.toml", "--root", tmp_path / "again")
    assert (first.exit_code, again.exit_code) == (0, 0), first.output + again.output
    assert sums(tmp_path / "again") == sums(tmp_path / "root")


def test_a_file_is_the_same_run_and_options_override_it(made, standing_there, model):
    root, _ = made
    before = sums(root)
    lines = [f'model = "{model}"', 'annotator = "my_plugs:annotator"', 'judge = "my_plugs:judge"']
    lines += ['attributes = ["bright", "sided"]', "samples = 32", "steps = 4", "top = 16", "held_out = 4"]
    (standing_there / "mine.toml").write_text(
        "\n".join([*lines, "components = 2", "jacobians = 2", 'capture = ["mid_block"]', ""])
    )
    result = run("mine.toml", "--samples", 64, "--root", root, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["made"] == 0 < told["there"] and sums(root) == before, "the same parts, all of which are there"


def test_python_makes_the_same_and_makes_nothing_twice(made, standing_there, model):
    root, _ = made
    settings = {
        "samples": 64,
        "steps": 4,
        "top": 16,
        "held_out": 4,
        "components": 2,
        "jacobians": 2,
        "capture": "mid_block",
    }
    wanted = Run(
        model=str(model), annotator="my_plugs:annotator", judge="my_plugs:judge", attributes="bright,sided", **settings
    )
    before = sums(root)
    assert make(wanted, root).read("catalog.json") == (root / "catalog" / "catalog.json").read_bytes()
    assert sums(root) == before


# Its dtype


QUICKLY = ["--attributes", "", "--samples", 8, "--steps", 2, "--held-out", 4, "--components", 1, "--jacobians", 0]
QUICKLY += ["--capture", "mid_block", "--dtype", "auto"]


@pytest.fixture
def timed(monkeypatch) -> list[Choice]:
    """What timings are planted, one after the other: the last of them, again and again, is what each says."""
    planted: list[Choice] = []
    monkeypatch.setattr(Dtypes, "timed", lambda self, loaded: planted.pop(0))
    return planted


def choice(seconds: float | None, fault: str | None = None) -> Choice:
    """A timing in which float32 takes 10 ms, and bfloat16 so much."""
    both = Timed("float32", 0.01, 0.0), Timed("bfloat16", seconds, None if fault else 0.005, fault)
    return Choice(both, 8, chosen(*both))


@pytest.mark.parametrize(
    ("seconds", "fault", "dtype", "said"),
    [
        (
            0.004,
            None,
            "bfloat16",
            "The U-Net runs in bfloat16: bfloat16 took 4 ms a sample in passes of 8, where float32 took 10 (2.50 times",
        ),
        (
            0.009,
            None,
            "float32",
            "The U-Net runs in float32: bfloat16 took 9 ms a sample in passes of 8, where float32 took 10 (1.11 times",
        ),
        (None, "no such thing", "float32", "The U-Net runs in float32: bfloat16 does not run on "),
    ],
    ids=["faster", "little faster", "not at all"],
)
def test_a_dtype_is_chosen_once_and_recorded(seconds, fault, dtype, said, model, timed, tmp_path):
    root, wanted = tmp_path / "root", ["--model", model, *QUICKLY]
    plan = run(*wanted, "--root", root, "--plan")
    assert "not chosen yet (`dtype` auto)" in plan.stdout and not root.exists()
    timed.append(choice(seconds, fault))
    first = run(*wanted, "--root", root)
    assert first.exit_code == 0 and not timed, first.output
    assert said in " ".join(first.stdout.split())
    assert f'dtype = "{dtype}"' in (root / "catalog" / "run.toml").read_text()
    assert DirectionCatalog.open(root / "catalog").about.sampling.dtype == dtype
    summary = json.loads((root / "run_summary.json").read_text())
    assert summary["settings"].get("dtype", "float32") == dtype and [said in each for each in summary["settled"]] == [
        True
    ]

    parts = sorted(root.rglob("0*.json"))
    again = run(*wanted, "--root", root)  # which would find no timing
    assert again.exit_code == 0 and said in " ".join(again.stdout.split()), again.output
    assert sorted(root.rglob("0*.json")) == parts and json.loads((root / "run_summary.json").read_text())["made"] == 0
    assert said in " ".join(run(*wanted, "--root", root, "--plan").stdout.split())
    more = run(*wanted, "--root", root, "--eta", 0.5, "--plan", "--json")  # another run of the root goes by it, too
    assert said in " ".join(more.stderr.split())
    cleaned = CliRunner().invoke(app(clean), [str(root)])
    assert "0.000 GB in 0 folders" in cleaned.output, cleaned.output
    if dtype == "float32":  # by default
        return

    recorded = run(root / "catalog" / "run.toml", "--root", tmp_path / "again")
    assert recorded.exit_code == 0 and sums(tmp_path / "again") == sums(root), recorded.output
    assert not list((tmp_path / "again").glob("dtypes-*"))


def test_python_chooses_it_too_and_a_plan_that_takes_the_time_says_what_it_would_be(model, timed, tmp_path):
    timed += [choice(0.002), choice(0.02)]
    plan = run("--model", model, *QUICKLY, "--root", tmp_path / "root", "--plan", "--time")
    assert "Timed on this machine, as a run would do: The U-Net runs in bfloat16:" in " ".join(plan.stdout.split())
    settings = {"samples": 8, "steps": 2, "held_out": 4, "components": 1, "jacobians": 0, "capture": "mid_block"}
    catalog = make(Run(model=str(model), attributes=(), dtype="auto", **settings), tmp_path / "root")
    assert catalog.about.sampling.dtype == "float32" and not timed


# Capture points


@pytest.mark.slow
def test_a_capture_point_is_chosen_for_each_attribute(elsewhere, standing_there, model, tmp_path):
    """By who labels, on samples that nothing is reported on; the same bytes by its run.toml."""
    small = ["--samples", 32, "--steps", 3, "--top", 8, "--held-out", 4, "--components", 1, "--jacobians", 1]
    wanted = ["--model", model, *WHO, "--attributes", "bright,sided", *small]
    result = run(*wanted, "--root", tmp_path / "root")
    assert result.exit_code == 0, result.output
    catalog = DirectionCatalog.open(tmp_path / "root" / "catalog")
    choice, carriage = catalog.table("choice.parquet"), catalog.table("carriage.parquet")
    assert set(carriage["point"]) == {"mid_block", "up_blocks.0", "up_blocks.1"}
    assert set(carriage["what"]) == {"bright", "sided", "high", "image"}  # what who labels scores, and pixels
    chosen = dict(choice.loc[choice["chosen"], ["attribute", "point"]].to_numpy())
    assert set(chosen) == {"bright", "sided"} and choice.groupby("attribute").size().min() >= 1
    of_attributes = catalog.table("directions.parquet").dropna(subset="attribute")
    assert {row.attribute: row.capture for row in of_attributes.itertuples()} == chosen
    assert {each.point for each in catalog.about.captures} >= {
        each for point in chosen.values() for each in point.split("+")
    }
    again = run(tmp_path / "root" / "catalog" / "run.toml", "--root", tmp_path / "again")
    assert again.exit_code == 0 and sums(tmp_path / "again") == sums(tmp_path / "root")


def test_several_points_are_each_searched(standing_there, model, tmp_path):
    small = ["--samples", 32, "--steps", 2, "--top", 8, "--held-out", 4, "--components", 1, "--jacobians", 0]
    points = "after, up_blocks.0.resnets.1,mid_block:input+up_blocks.0"
    result = run(
        "--model", model, *WHO, "--attributes", "bright", *small, "--capture", points, "--root", tmp_path / "root"
    )
    assert result.exit_code == 0, result.output
    catalog = DirectionCatalog.open(tmp_path / "root" / "catalog")
    names = {each.name for each in catalog.about.directions if each.method == "mean-difference"}
    expected = ("mid_block", "up_blocks.0.resnets.1", "mid_block:input+up_blocks.0")
    assert names == {f"bright/mean-difference@{point}" for point in expected}
    assert "carriage.parquet" not in catalog.files and "choice.parquet" not in catalog.files


@pytest.mark.slow
def test_the_mid_block_has_two_names(made, standing_there, model, tmp_path):
    root, _ = made
    wanted = ["--model", model, *WHO, "--attributes", "bright,sided", *SMALL[:-1], "after"]
    assert run(*wanted, "--root", tmp_path / "root").exit_code == 0
    before, after = sums(root), sums(tmp_path / "root")
    assert {name for name in before if before[name] != after[name]} == {"run.toml", "SHA256SUMS"}


# What cannot be fitted, one attribute, and none


def test_what_cannot_be_fitted_is_left_out_with_its_numbers(made, standing_there, model, tmp_path):
    """No sample is that high, and no sample has the region; one attribute is left, with nothing to project away from it."""
    (standing_there / "plugs_of_no_region.py").write_text(
        "import numpy as np\nfrom pipeline.annotators import region\n\n"
        "@region\ndef hole(images):\n    return np.full(images.shape[:3], np.nan)\n"
    )
    wanted = ["--attributes", "high,bright", "--region", "image", "--region", "plugs_of_no_region:hole"]
    result = run("--model", model, *WHO, *wanted, *SMALL, "--root", tmp_path / "root")
    assert result.exit_code == 0, result.output
    about = DirectionCatalog.open(tmp_path / "root" / "catalog").about
    told = [(each.what, each.name, each.why) for each in about.left_out]
    assert told == [
        (
            "attribute",
            "high",
            "0 of 64 scored samples are above 1000 and 64 are not; a direction needs at least 5 on either side",
        ),
        ("region", "hole", "none of 2 samples has it"),
    ]
    assert "Left out: attribute high: 0 of 64 scored samples are above 1000" in result.stdout
    assert {each.attribute for each in about.directions} == {"bright", None}
    assert not any(each.parents for each in about.directions)
    assert "attribute high: 0 of 64" in (tmp_path / "root" / "explorer" / "index.html").read_text()
    assert "the attribute high: 0 of 64" in (tmp_path / "root" / "catalog" / "README.md").read_text()


def test_the_plan_says_what_is_left_out_once_scores_are_there(standing_there, model, tmp_path):
    """Of a single attribute with too few on one side the numbers are told, and the rest of the run goes on."""
    who = ["--annotator", "my_plugs:annotator", "--judge", "my_plugs:annotator", "--allow-judge", "annotator"]
    wanted = ["--model", model, *who, "--attributes", "high", *SMALL, "--root", tmp_path / "root"]
    said = "Left out: attribute high: 0 of 64 scored samples are above 1000 and 64 are not"
    before = run(*wanted, "--plan")
    assert before.exit_code == 0 and "Left out" not in before.stdout, "nothing is scored yet"
    assert run(*wanted).exit_code == 0
    about = DirectionCatalog.open(tmp_path / "root" / "catalog").about
    assert {each.attribute for each in about.directions} == {None} and len(about.directions) >= 2
    after = run(*wanted, "--plan")
    assert after.exit_code == 0 and said in after.stdout
    fewer = run(*[1 if each == "2" else each for each in wanted], "--plan")
    assert fewer.exit_code == 0 and said in fewer.stdout, "and before what follows is made"


def test_the_plan_says_who_does_not_know_the_model_and_who_is_lost_in_its_samples(standing_there, tiny_model, tmp_path):
    who = ["--annotator", "portraits", "--judge", "portraits-judge", "--attributes", "smile,yaw"]
    wanted = ["--model", tiny_model, *who, *SMALL, "--root", tmp_path / "root"]
    before = run(*wanted, "--plan")
    assert before.exit_code == 0, before.output
    assert "Note: 'portraits' does not know what this model shows: Attributes of the bundled" in before.stdout
    assert "not at home" not in before.stdout, "there are no samples yet"
    assert run(*wanted).exit_code == 0
    after = run(*[1 if each == "2" else each for each in wanted], "--plan")
    assert re.search("Note: 'portraits' is not at home in these images: [0-9]+% of 64 are farther", after.stdout)


def test_directions_without_anybodys_labels(model, tmp_path):
    result = run("--model", model, "--attributes", "", "--samples", 16, "--steps", 2, "--held-out", 4, "--components", 2,
                 "--jacobians", 2, "--root", tmp_path / "root")  # fmt: skip
    assert result.exit_code == 0, result.output
    catalog = DirectionCatalog.open(tmp_path / "root" / "catalog")
    assert {each.attribute for each in catalog.about.directions} == {None}
    assert set(catalog.table("effects.parquet")["attribute"]) >= {"brightness", "contrast"}
    assert "Nothing supervised was measured." in (tmp_path / "root" / "catalog" / "README.md").read_text()


# What is refused, and how


def refused(result: Result, *messages: str) -> None:
    assert result.exit_code == 2, result.output
    for message in messages:
        assert message in result.stderr, result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        ("--annotator my_plugs:annotator", ["There is no model", "name a --model"]),
        ("--model {model}", ["Nobody labels the samples: name an --annotator", "--attributes ''"]),
        ("--model {model} --annotator my_plugs:annotator", ["name a --judge", "as --allow-judge"]),
        ("--model {model} --annotator pixels --judge pixels", ["labels the samples", "--allow-judge"]),
        ("--model {model} --annotator pixels --judge my_plugs:judge", ["scores none of brightness"]),
        ("--model {model} {who} --attributes sidde", ["'annotator' does not score 'sidde'.", "It scores bright, sided"]),
        ("--model {model} {who} --strengths ''", ["--strengths is empty"]),
        ("--model {model} --attributes '' --held-out -5", ["-5 held-out samples: expected at least 2"]),
        ("--model {model} {who} --allow-judge nobody", ["--allow-judge nobody", "there are judge"]),
        ("--model {model} {who} --protocol long", ["--protocol is 'long': expected 'demo' or 'paper'"]),
        ("--model {model} {who} --across banana", ["--across is 'banana': expected 'per-step', 'matched' or 'joint'"]),
        ("--model {model} {who} --seed 9223372036854775808", ["--seed is", "less than or equal to 9223372036854775807"]),
        ("--model {model} {who} --seed -1", ["--seed is", "greater than or equal to 0"]),
        ("--model {model} {who} --dtype float8", ["--dtype is 'float8': expected 'float32', 'bfloat16', 'float16' or 'auto'"]),
        ("--model {model} {who} --capture end", ["UNet2DModel has no module end: at its top it has conv_in,"]),
        ("--model {model} {who} --capture up_blocks.7", ["no module up_blocks.7: up_blocks has 0, 1"]),
        ("--model {model} {who} --capture up-blocks", ["'up-blocks' is no capture point; expected the name of a module"]),
        ("--model {model} {who} --capture auto,mid_block", ["--capture is auto, mid_block: expected points, or auto alone"]),
        ("--model {model} {who} --capture after,mid_block", ["--capture is after, mid_block: expected at least one point"]),
        ("--model {model} {who} --capture mid_block.resnets.0.nonlinearity", ["3 times; expected once"]),
        ("--model {model} {who} --strengths 1,x", ["--strengths is 'x': expected a number"]),
        ("--model {model} {who} --strengths nan", ["--strengths is 'nan': expected a number"]),
        ("--model {model} {who} --attributes sided,sided", ["--attributes is 'sided,sided'", "sided is there twice"]),
        ("--model {model} {who} --attributes sided --attributes bright", ["--attributes is given twice"]),
        ("--model {model} {who} --clip --no-clip", ["--clip is given twice"]),
        ("--model {model} {who} --samples 4 --samples 8", ["--samples is given twice"]),
        ("--model {model} {who} --images ''", ["--images is ''"]),
        ("--model {model} {who} --top 8 --no-activations", ["--top has no effect on sketches"]),
        ("--model {model} {who} --block 64", ["--block has no effect on stored activations"]),
        ("--model {model} {who} --region box:0,0,4,4 --jacobians 0", ["--region has no effect without --jacobians"]),
        ("--model {model} --attributes '' --top 8", ["--top has no effect without attributes"]),
        ("--model {model} --attributes '' --by-effects", ["--by-effects has no effect without attributes"]),
        ("--model {model} {who} --attributes sided --by-effects", ["nothing to project away: leave --by-effects out"]),
        ("--model {model} {who} --components 0 --across joint", ["--across has no effect without --components"]),
        ("--model {model} --attributes '' --components 0 --jacobians 0", ["There is no direction to find"]),
        ("--model {model} {who} --protocol paper --strengths 1", ["leave --strengths out"]),
        ("--model {model} {who} --class-label 3", ["class"]),
        ("--model {model} {who} --condition no-such-file", ["no-such-file"]),
        ("--model {model} {who} --time", ["give --plan, too"]),
        ("--model {model} {who} --address 10.0.0.1:6379", ["Leave one of them out"]),
        ("no-such.toml", ["There is no run file no-such.toml"]),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_before_work(arguments, messages, model, standing_there, tmp_path):
    import shlex

    who = " ".join(WHO)
    result = run(*shlex.split(arguments.format(model=model, who=who)), "--root", tmp_path / "root")
    refused(result, *messages)
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("sampels = 3", ["There is no setting sampels. Did you mean --samples?"]),
        ('samples = "many"', ["--samples is 'many': expected a whole number"]),
        ("samples = 2.5", ["--samples is 2.5: expected a whole number"]),
        ("samples =", ["is no TOML", "samples = 1000"]),
        ("[model]\nname = 1", ["--model is"]),
    ],
)
def test_a_file_that_is_no_run_is_refused_by_its_name(text, messages, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    refused(run(file, "--root", tmp_path / "root"), str(file), *messages)
    assert not (tmp_path / "root").exists(), "before anything was made"


def test_an_error_is_an_object_for_machines_too(standing_there, model, tmp_path):
    result = run("--model", model, *WHO, "--across", "banana", "--root", tmp_path / "root", "--json")
    assert result.exit_code == 2 and "--across is 'banana'" in json.loads(result.stdout)["error"]


def test_the_plan_says_gigabytes_and_hours_of_a_timed_batch(standing_there, model, tmp_path):
    result = run("--model", model, *WHO, *SMALL, "--root", tmp_path / "root", "--plan", "--time", "--json")
    assert result.exit_code == 0, result.output
    planned = json.loads(result.stdout)
    assert planned["gigabytes"] > 0 and 0 < planned["hours"] < 1
    assert planned["to_make"] == sum(stage["todo"] for stage in planned["stages"]) > 20
    assert "GB to write" in result.stderr and "hours" in result.stderr
    assert 0 < planned["gigabytes_of_memory"] < 1 and "takes most memory" in result.stderr
    assert not (tmp_path / "root").exists()


def test_a_batch_of_few_images_is_timed_too(model, tmp_path):
    (tmp_path / "images").mkdir()
    for i in range(3):
        Image.new("RGB", (20, 12), (50 * i, 90, 120)).save(tmp_path / "images" / f"{i}.png")
    small = ["--steps", 2, "--held-out", 4, "--components", 1, "--jacobians", 1, "--samples", 8]
    wanted = ["--model", model, "--attributes", "", "--images", tmp_path / "images", *small]
    result = run(*wanted, "--root", tmp_path / "root", "--plan", "--time", "--json")
    assert result.exit_code == 0 and json.loads(result.stdout)["hours"] > 0, result.output


def test_help_names_every_choice_in_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = " ".join(job("--help").stdout.replace("│", " ").split())
    assert max(map(len, job("--help").stdout.splitlines())) <= 80
    for name in Run.model_fields:
        assert f"--{name.replace('_', '-')} " in text
    for choice in ("demo, or paper", "per-step", "matched", "bfloat16", "mtcnn", "pixels", "brightness", "digits"):
        assert choice in text, choice


# The links to the latest


def test_a_link_leads_to_the_latest_catalog(made, standing_there, model):
    root, _ = made
    before = os.readlink(root / "catalog")
    result = run("--model", model, *WHO, "--attributes", "bright,sided", *SMALL, "--components", 0, "--root", root)
    refused(result, "--components is given twice")
    assert os.readlink(root / "catalog") == before and not os.path.isabs(before)
    assert pd.read_parquet(root / "catalog" / "directions.parquet")["name"].is_unique
