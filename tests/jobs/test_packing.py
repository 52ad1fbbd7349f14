"""What travels with a submitted job: planted runs, files and plugs, and what lies in the package afterwards."""

import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from jobs import packing
from jobs.packing import Package
from jobs.submission import JOBS, Request, Wired, parsed
from pipeline.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """The folder that one stands in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("package")


@pytest.fixture
def code(monkeypatch) -> None:
    """The project itself is left out, which takes a moment to copy."""
    monkeypatch.setattr(Package, "add_code", lambda self, root: None)


def packed(place: Path, line: str, **more) -> tuple[Wired, list[str]]:
    """A request by its command line, and the words of the command that the cluster is sent."""
    request = Request(
        more.pop("job", "directions"), tuple(shlex.split(line)), "s3://bucket/run", folder=str(Path.cwd()), **more
    )
    wired = request.packed(place)
    return wired, shlex.split(wired.command)


def files(place: Path) -> set[str]:
    return {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}


def test_the_package_has_the_code_and_nothing_else_of_the_project(here, place):
    packed(place, "--model portraits --attributes ''")
    assert {path.name for path in place.iterdir()} == {
        "pipeline",
        "jobs",
        "schemas",
        "pyproject.toml",
        "constraints.txt",
        "run.toml",
    }
    names = files(place)
    assert "pipeline/domains/portraits/model/unet/config.json" in names or any("safetensors" in name for name in names)
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc") or ".git" in name]
    assert sum((place / name).stat().st_size for name in names) < 40_000_000


def test_the_package_runs_where_nothing_of_the_project_is(here, place):
    packed(place, "--model portraits --attributes ''")
    command = [sys.executable, "-c", "import jobs.where, pipeline.errors, schemas.run; print(pipeline.__file__)"]
    done = subprocess.run(command, cwd=place, env={"PATH": ""}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(place / "pipeline" / "__init__.py")


def test_a_run_file_and_options_beside_it_become_one_file(here, place, code):
    (here / "mine.toml").write_text('model = "owner/name"\nsamples = 10\nattributes = []\n')
    _, words = packed(place, "mine.toml --samples 20 --no-activations --workers 3")
    assert words[:4] == ["python", "-m", "jobs.directions", "run.toml"]
    assert "--workers=3" in words and words[words.index("--root") + 1] == "s3://bucket/run"
    assert tomllib.loads((place / "run.toml").read_text()) == {
        "model": "owner/name",
        "samples": 20,
        "attributes": [],
        "activations": False,
    }


def test_only_what_was_given_is_said(here, place, code):
    """What is derived of other settings where it is left out must stay left out."""
    packed(place, "--model owner/name --attributes ''")
    assert set(tomllib.loads((place / "run.toml").read_text())) == {"model", "attributes"}


def test_preflight_comes_first_unless_it_is_left_out(here, place, tmp_path_factory, code):
    assert "--preflight" in packed(place, "--model owner/name")[1]
    assert "--preflight" not in packed(tmp_path_factory.mktemp("other"), "--model owner/name", preflight=False)[1]


# Files


def test_small_files_travel_along_and_keep_their_names(here, place, code):
    """A mask's name is the name of its directions."""
    (here / "mask.png").write_bytes(b"mask")
    (here / "labels.csv").write_bytes(b"labels")
    (here / "prompt.safetensors").write_bytes(b"embedding")
    packed(
        place,
        "--model owner/name --region mask:mask.png+label=3 --region image --foreground mask.png "
        "--annotator table:labels.csv+name=hand --condition prompt.safetensors",
    )
    run = tomllib.loads((place / "run.toml").read_text())
    assert run["region"] == ["mask:files/mask.png+label=3", "image"]
    assert run["foreground"] == "files/mask.png"
    assert run["annotator"] == "table:files/labels.csv+name=hand"
    assert run["condition"] == "files/prompt.safetensors"
    assert (place / "files" / "mask.png").read_bytes() == b"mask"
    assert (place / "files" / "labels.csv").read_bytes() == b"labels"


def test_a_description_of_directions_travels_with_the_files_beside_it(here, place, code):
    (here / "theirs").mkdir()
    for name in ("first.json", "second.json", "vectors.npz"):
        (here / "theirs" / name).write_text(name)
    packed(place, "--model portraits --attributes '' --imported theirs/first.json --imported theirs/second.json")
    sent = tomllib.loads((place / "run.toml").read_text())["imported"]
    assert sent == ["files/theirs/first.json", "files/theirs/second.json"]
    assert {(place / each).read_text() for each in sent} == {"first.json", "second.json"}
    assert (place / "files" / "theirs" / "vectors.npz").exists()
    with pytest.raises(UserError, match="absent.json is not there"):
        packed(place, "--model portraits --attributes '' --imported absent.json")


def test_files_of_one_name_from_two_folders_do_not_meet(here, place, code):
    for name in "ab":
        (here / name).mkdir()
        (here / name / "mask.png").write_bytes(name.encode())
    packed(place, "--model owner/name --region mask:a/mask.png --region mask:b/mask.png")
    regions = tomllib.loads((place / "run.toml").read_text())["region"]
    assert [(place / each.removeprefix("mask:")).read_bytes() for each in regions] == [b"a", b"b"]


def test_what_describes_a_network_travels_beside_it(here, place, code):
    (here / "age.onnx").write_bytes(b"network")
    (here / "age.json").write_text("{}")
    (here / "age.onnx.data").write_bytes(b"weights")
    (here / "age.env").write_text("SECRET=1")
    wired, _ = packed(place, "--model owner/name --annotator onnx:age.onnx")
    assert {each for each in files(place) if each.startswith("files/")} == {
        "files/age.onnx",
        "files/age.json",
        "files/age.onnx.data",
    }
    assert any(line.endswith("as files/age.onnx, with age.json, age.onnx.data") for line in wired.package.said())


def test_a_small_model_travels_along_whole(here, place, tiny_model, code):
    packed(place, f"--model {tiny_model} --attributes ''")
    named = tomllib.loads((place / "run.toml").read_text())["model"]
    copied = {
        path.relative_to(place / named): path.read_bytes() for path in (place / named).rglob("*") if path.is_file()
    }
    assert copied == {
        path.relative_to(tiny_model): path.read_bytes() for path in tiny_model.rglob("*") if path.is_file()
    }


def test_what_the_cluster_would_not_see_is_refused_all_at_once(here, place, monkeypatch, code):
    monkeypatch.setattr(packing, "SMALL", 10)
    (here / "model").mkdir()
    (here / "model" / "weights").write_bytes(bytes(3_000_000))
    (here / "images").mkdir()
    with pytest.raises(UserError) as refused:
        packed(place, "--model ./model --images images --annotator onnx:/nowhere/age.onnx --judge pixels")
    said = str(refused.value)
    assert "./model has 3 MB, and at most" in said
    assert "images is a set of images" in said
    assert "/nowhere/age.onnx is not there" in said
    assert "--shared FOLDER" in said


def test_what_lies_on_a_shared_disk_is_named_as_it_is(here, place, code):
    packed(
        place,
        "--model /mnt/shared/model --images /mnt/shared/images --annotator onnx:/mnt/shared/age.onnx",
        shared=("/mnt/shared",),
    )
    run = tomllib.loads((place / "run.toml").read_text())
    assert (run["model"], run["images"]) == ("/mnt/shared/model", "/mnt/shared/images")
    assert run["annotator"] == "onnx:/mnt/shared/age.onnx"
    assert not (place / "files").exists()


def test_more_than_the_job_server_takes_is_refused(here, place, monkeypatch):
    monkeypatch.setattr(packing, "MOST", 1_000)
    with pytest.raises(UserError, match="would bring .* MB along"):
        packed(place, "--model owner/name")


@pytest.mark.parametrize("name", ["portraits", "owner/name", "owner/name@main"])
def test_names_that_are_no_files_stay_as_they_are(here, place, name, code):
    packed(place, f"--model {name} --attributes ''")
    assert tomllib.loads((place / "run.toml").read_text())["model"] == name


# Plugs


def test_a_plug_travels_with_what_it_imports_from_beside_it(here, place, code):
    (here / "my_plugs.py").write_text(
        "import math\nimport numpy\nfrom my_parts import low\nfrom pipeline import annotators\n"
    )
    (here / "my_parts.py").write_text("import my_depths.deeper\n")
    (here / "my_depths").mkdir()
    (here / "my_depths" / "deeper.py").write_text("")
    (here / "my_depths" / ".env").write_text("SECRET=1")
    (here / "unrelated.py").write_text("")
    wired, _ = packed(place, "--model owner/name --annotator my_plugs:mine --judge my_plugs:judge --region box:0,0,4,4")
    assert {"my_plugs.py", "my_parts.py", "my_depths/deeper.py"} <= files(place)
    assert not {"unrelated.py", "my_depths/.env"} & files(place)
    assert [path.name for path in wired.package.plugs] == ["my_plugs.py", "my_parts.py", "my_depths"]


def test_a_plug_beside_the_run_file_is_found(here, place, code):
    (here / "runs").mkdir()
    (here / "runs" / "mine.toml").write_text('model = "owner/name"\nannotator = "beside:mine"\n')
    (here / "runs" / "beside.py").write_text("")
    packed(place, "runs/mine.toml")
    assert "beside.py" in files(place)


def test_a_plug_does_not_take_the_place_of_the_project(here, place, code):
    """A folder called `pipeline`, where one stands, is not the project's."""
    (here / "pipeline").mkdir()
    (here / "pipeline" / "evil.py").write_text("")
    packed(place, "--model owner/name --annotator pipeline.domains.portraits.annotators:PortraitAnnotator")
    assert "pipeline/evil.py" not in files(place)


# Other jobs


def test_the_command_lines_of_other_jobs_are_written_anew(here, place, tmp_path_factory, code):
    _, words = packed(place, "--samples 64 --strengths=-1,1 --no-activations", job="portraits")
    assert words[2] == "jobs.portraits"
    assert set(words[3:6]) == {"--samples=64", "--no-activations", "--strengths=-1,1"}

    (here / "images").mkdir()
    line = f"{here}/images --annotator pixels --annotator mtcnn --size 32 --json"
    _, words = packed(tmp_path_factory.mktemp("a"), line, job="annotate", shared=(str(here),))
    assert words[2:4] == ["jobs.annotate", f"{here}/images"]
    assert set(words[4:8]) == {"--annotator=pixels", "--annotator=mtcnn", "--size=32", "--json"}

    _, words = packed(tmp_path_factory.mktemp("b"), "digits --points mid_block", job="carriage")
    assert words[2:5] == ["jobs.carriage", "digits", "--points=mid_block"]

    _, words = packed(tmp_path_factory.mktemp("c"), "--annotator pixels", job="celebahq")
    assert words[2:4] == ["jobs.celebahq", "whole"]


@pytest.mark.parametrize("job", JOBS)
def test_what_is_written_anew_means_what_was_given(job, here, place, code):
    """The job reads the same from the command that is sent as from the one that was typed."""
    first = {"annotate": "/mnt/shared/images", "carriage": "digits"}.get(job, "")
    line = tuple(shlex.split(f"{first} --annotator pixels --batch 16"))
    _, words = packed(place, shlex.join(line), job=job, preflight=False, shared=("/mnt/shared",))
    sent = words[len(JOBS[job].module.split()) + 2 : words.index("--root")]
    if JOBS[job].takes == "FILE":
        assert tomllib.loads((place / sent[0]).read_text()) == {"annotator": "pixels", "batch": 16}
    else:
        assert parsed(JOBS[job], tuple(sent)) == parsed(JOBS[job], line)


# What is refused


@pytest.mark.parametrize(
    ("line", "more", "said"),
    [
        ("--model a/b", {"job": "nothing"}, "There is no job 'nothing' to submit; there are directions"),
        ("--model a/b --samples some", {}, "`samples` is 'some': expected a whole number"),
        ("nowhere.toml", {}, "There is no run file nowhere.toml"),
        ("--model a/b --plan", {}, "`plan` is given twice"),
        ("--model a/b", {"env": ("NOT_SET_ANYWHERE",)}, "there is no such variable here"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(line, more, said, here, place, code):
    with pytest.raises(UserError) as refused:
        packed(place, line, **more)
    assert said in str(refused.value)


@pytest.mark.parametrize("line", ["s3://bucket/run", "/mnt/shared/images"])
def test_images_in_a_bucket_or_on_a_shared_disk_are_named_as_they_are(line, here, place, code):
    _, words = packed(place, f"{line} --annotator pixels", job="annotate", shared=("/mnt/shared",))
    assert words[3] == line


@pytest.mark.parametrize(("root", "sent"), [("file:///data/run", "/data/run"), ("s3://b/run/", "s3://b/run")])
def test_a_root_is_sent_as_all_machines_understand_it(root, sent, here, place, code):
    words = shlex.split(Request("directions", ("--model", "a/b"), root, folder=str(here)).packed(place).command)
    assert words[words.index("--root") + 1] == sent


@pytest.mark.parametrize("root", ["runs/mine", "memory://x", "./x"])
def test_a_root_that_machines_do_not_share_is_refused(root, here, place, code):
    with pytest.raises(UserError, match="each machine of the cluster would have for itself"):
        Request("directions", ("--model", "a/b"), root).packed(place)


def test_variables_travel_by_name_and_only_those_that_are_named(here, place, monkeypatch, code):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store:9000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    wired, _ = packed(place, "--model owner/name", env=("AWS_ENDPOINT_URL",))
    assert wired.variables == {"AWS_ENDPOINT_URL": "http://store:9000"}
    assert "secret" not in " ".join(wired.said())
    assert not [name for name in files(place) if b"http://store:9000" in (place / name).read_bytes()]
