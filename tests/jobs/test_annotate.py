"""The job that scores any number of images: what it prints and makes, and what it refuses before any work."""

import json
import os
import shlex
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from jobs.annotate import annotate
from jobs.command_line import app
from tests.parsed import parse
from tests.pipeline.imagesets.broken_files import KINDS_OF, write_broken

N = 60


def job(*arguments: object) -> Result:
    return CliRunner().invoke(app(annotate), [*map(str, arguments)], catch_exceptions=False)


def run(*arguments: object) -> Result:
    return job(*arguments, "--workers", 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("set")
    for i in range(N):
        Image.new("RGB", (24, 20), (i, i, i)).save(root / f"{i:03d}.png")
    write_broken(root)
    (root / "notes.txt").write_text("no image")
    os.mkfifo(root / "waits.jpg")
    return root


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory) -> tuple[Path, Result]:
    root = tmp_path_factory.mktemp("made") / "root"
    result = run(folder, "--annotator", "pixels", "--size", 16, "--fail-above", "30%", "--root", root)
    assert result.exit_code == 0, result.output
    return root, result


def test_a_table_in_one_line_and_what_was_found_taken_and_left_out(made):
    root, result = made
    images = pd.read_parquet(root / "annotations" / "images.parquet")
    assert images["pixels.brightness"].round(3).tolist() == list(range(N)) and len(images) == N
    broken = pd.read_parquet(root / "annotations" / "broken.parquet")
    assert dict(zip(broken["name"], broken["kind"], strict=True)) == KINDS_OF
    for said in (
        f"{N + 14} images",
        "Left out: 1 .txt files, such as notes.txt.",
        "Left out: 1 pipes, sockets and devices, such as waits.jpg.",
        "Broken: 14 of 74 images (5 truncated, 2 damaged, 2 no image, ",
        f"Annotations of 60 images: {root / 'annotations' / 'images.parquet'}",
        "images a second",
    ):
        assert said in result.stdout, result.stdout


def test_a_page_shows_what_is_in_the_set(made):
    root, result = made
    page = parse((root / "report.html").read_text(encoding="utf-8"))
    assert f"Report: {root / 'report.html'}" in result.stdout
    assert "60" in page.one("ul", "tiles").text and len(page.one("section", id="broken").all("tr")) > 5
    [brightest] = [
        each for each in page.one("section", id="scores").all("article") if "brightness" in each.text.lower()
    ]
    shown = [each.attributes["src"] for each in brightest.all("img")]
    greys = [Image.open(BytesIO(b64decode(src.partition(",")[2]))).getpixel((0, 0))[0] for src in shown]
    assert greys == pytest.approx([*range(6), *range(27, 33), *range(59, 53, -1)], abs=2), "as far as a JPEG has them"


def test_labels_by_name_are_a_column_that_scores_are_compared_with(folder, tmp_path):
    rows = [f"{i:03d}.png,{int(i > 30)}" for i in range(N)]
    (tmp_path / "labels.csv").write_text("\n".join(["name,brightness", *rows]) + "\n")
    by = ["--annotator", "pixels", "--annotator", f"table:{tmp_path / 'labels.csv'}+name=hand"]
    result = run(folder, *by, "--size", 16, "--fail-above", "30%", "--root", tmp_path / "root")
    assert result.exit_code == 0, result.output
    images = pd.read_parquet(tmp_path / "root" / "annotations" / "images.parquet")
    assert images["hand.brightness"].tolist() == [float(i > 30) for i in range(N)]
    page = parse((tmp_path / "root" / "report.html").read_text(encoding="utf-8"))
    assert "60 labelled images; AUC 1.00" in page.one("section", id="calibration").text


def test_columns_that_are_no_attributes_are_said_and_written(folder, tmp_path):
    (tmp_path / "labels.csv").write_text("name,hat,colour\n000.png,1,red\n001.png,0,blue\n")
    by = ["--annotator", f"table:{tmp_path / 'labels.csv'}"]
    result = run(folder, *by, "--size", 16, "--fail-above", "30%", "--root", tmp_path / "root")
    said = "Note: labels.csv: the column 'colour' is no attribute: it holds text, such as 'red'."
    assert result.exit_code == 0 and said in " ".join(result.stdout.split()), result.output
    assert said in (tmp_path / "root" / "annotations" / "README.md").read_text()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["elsewhere.png,1"], "labels none of the 2 images: it has elsewhere.png, and they are a/cat.png, b/cat.png"),
        (["cat,1"], "the row of 'cat' could be of 2 images, a/cat.png, b/cat.png"),
    ],
)
def test_labels_of_other_images_or_of_several_alike_are_refused_before_any_work(tmp_path, rows, said):
    for name in "ab":
        (tmp_path / "set" / name).mkdir(parents=True)
        Image.new("RGB", (24, 20)).save(tmp_path / "set" / name / "cat.png")
    (tmp_path / "labels.csv").write_text("\n".join(["name,hat", *rows]) + "\n")
    by = ["--annotator", f"table:{tmp_path / 'labels.csv'}"]
    result = run(tmp_path / "set", *by, "--root", tmp_path / "root")
    assert result.exit_code and said in " ".join(result.output.split()), result.output
    assert not list(tmp_path.glob("root/annotate-images-*"))


def test_the_documented_way_keeps_labels_of_names_in_any_bytes(tmp_path):
    images = tmp_path / "set"
    images.mkdir()
    for i, name in enumerate((b"caf\xe9.png", b" lead.png", b"trail .png", b"plain.png")):
        Image.new("RGB", (24, 20), (i, i, i)).save(os.path.join(os.fsencode(images), name))
    options = ["--size", 16, "--workers", 0]
    assert job(images, "--annotator", "pixels", "--root", tmp_path / "one", *options).exit_code == 0
    table = f"table:{tmp_path / 'one' / 'annotations' / 'images.parquet'}+name=again"
    assert job(images, "--annotator", table, "--root", tmp_path / "two", *options).exit_code == 0
    first, again = (pd.read_parquet(tmp_path / root / "annotations" / "images.parquet") for root in ("one", "two"))
    assert sorted(again["again.pixels.brightness"].tolist()) == [0, 1, 2, 3]
    assert again["again.pixels.brightness"].tolist() == first["pixels.brightness"].tolist()


def test_the_same_for_machines_and_nothing_is_made_twice(made, folder):
    root, _ = made
    before = sorted(root.rglob("*"))
    again = run(folder, "--annotator", "pixels", "--size", "16x16", "--fail-above", 0.3, "--root", root, "--json")
    told = json.loads(again.stdout)
    assert (told["images"], told["broken"]) == (N, 14) and told["columns"][0] == "pixels.brightness"
    assert sorted(root.rglob("*")) == before


def test_the_plan_says_how_much_before_anything_is_made(folder, tmp_path):
    result = run(folder, "--annotator", "pixels", "--root", tmp_path / "root", "--plan", "--json")
    assert result.exit_code == 0, result.output
    planned = json.loads(result.stdout)
    parts = {each["stage"].rpartition("-")[0]: each["parts"] for each in planned["stages"]}
    assert parts == {"list-images": 1, "annotate-images": 3, "publish-annotations": 1, "prevalence-report": 1}
    assert planned["gigabytes"] > 0 and not (tmp_path / "root").exists()


@pytest.mark.slow
def test_workers_of_its_own_make_the_same_table(made, folder, tmp_path):
    result = job(
        folder,
        "--annotator",
        "pixels",
        "--size",
        16,
        "--fail-above",
        "30%",
        "--root",
        tmp_path / "root",
        "--workers",
        2,
    )
    assert result.exit_code == 0, result.output
    tables = [pd.read_parquet(root / "annotations" / "images.parquet") for root in (made[0], tmp_path / "root")]
    assert tables[0].equals(tables[1])


def test_mostly_broken_images_stop_the_job_with_their_number(folder, tmp_path):
    result = run(folder, "--annotator", "pixels", "--root", tmp_path / "root")
    assert result.exit_code == 2 and "of 74 images cannot be read" in result.stderr
    assert "--fail-above" in result.stderr and not (tmp_path / "root" / "annotations").exists()


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        ("", ["Nobody scores these images: name an --annotator"]),
        ("--annotator nobody", ["nobody"]),
        ("--annotator pixels --size 0", ["Images of 0 x 0"]),
        ("--annotator pixels --annotator pixels", ["'pixels' is named twice: once is enough."]),
        ("--annotator pixels --size wide", ["--size is 'wide': expected HEIGHTxWIDTH"]),
        ("--annotator pixels --fail-above many%", ["--fail-above is 'many%': expected a share, as 5% or 0.05"]),
        ("--annotator pixels --fail-above 500%", ["--fail-above", "less than or equal to 1"]),
        ("--annotator pixels --batch 0", ["in batches of 0"]),
    ],
)
def test_what_cannot_work_is_refused_before_work(arguments, messages, folder, tmp_path):
    result = run(folder, *shlex.split(arguments), "--root", tmp_path / "root")
    assert result.exit_code == 2 and "Traceback" not in result.output, result.output
    for message in messages:
        assert message in result.stderr, result.stderr
    assert not (tmp_path / "root").exists()


def test_images_that_are_none(tmp_path):
    for path, said in ((tmp_path / "gone", "does not exist"), (tmp_path, "holds no images")):
        result = run(path, "--annotator", "pixels", "--root", tmp_path / "root")
        assert result.exit_code == 2 and said in result.stderr
