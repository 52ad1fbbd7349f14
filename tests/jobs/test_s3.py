"""The main job with its root in a bucket of a real server: the bytes of a local run, through every fault of the way there."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from benchmarks._chaos_bucket import fetched
from benchmarks._chaos_check import Truth, left_behind
from benchmarks._chaos_job import Trial, records
from benchmarks._proxy import Proxy, faulty
from benchmarks._servers import Server
from jobs.portraits import portraits as portraits_job
from pipeline.domains import portraits

TINY = shlex.split(
    "--samples 12 --steps 2 --top 4 --components 2 --held-out 4 --attributes smile --batch 4 --judge portraits-judge "
    "--jacobians 1 --region image --workers 0"
)
RATES = {"reset": 0.02, "500": 0.02, "503": 0.02, "slow": 0.02, "cut answer": 0.02, "cut upload": 0.02} | {
    "lost answer": 0.02,
    "500 after": 0.02,
}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(portraits_job)


def job(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*TINY, *map(str, arguments)], catch_exceptions=False)


@pytest.fixture(scope="module", autouse=True)
def tiny_in_the_place_of_the_bundled_one(tiny_model):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portraits, "MODEL", tiny_model)
        yield


@pytest.fixture(scope="module")
def truth(tiny_model, tmp_path_factory) -> Truth:
    """What a run on the local disk makes."""
    root = tmp_path_factory.mktemp("local") / "root"
    result = job("--root", root)
    assert result.exit_code == 0, result.output
    return Truth.of(root)


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def fetch(server: Server, root: str, into: Path) -> Path:
    return fetched(server, root.removeprefix(server.url()), into)


def puts_of_records(proxy: Proxy) -> int:
    return sum(bool(re.match(r"PUT .*/\d{5}[-\d]*\.json", each)) for each in proxy.asked)


def test_the_whole_job_through_a_faulty_connection_makes_what_a_local_run_makes(
    truth, s3_server, s3_root, tmp_path, monkeypatch
):
    with faulty(s3_server, RATES, seed=3, delay=0.05) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.server.endpoint)
        result = job("--root", s3_root)
        assert result.exit_code == 0, result.output
        assert f"Catalog:  {s3_root}/" in result.stdout
        assert len(proxy.struck) >= 4 and proxy.struck.total() >= 10, "it has been disturbed"
        proxy.rates, made = {}, puts_of_records(proxy)
        assert job("--root", s3_root).exit_code == 0
        assert made >= len(truth.parts) and puts_of_records(proxy) == made, "nothing is made twice"
    root = fetch(s3_server, s3_root, tmp_path / "fetched")
    assert truth.losses(root) == []
    assert any(part.startswith("catalog-") for part in truth.parts)
    assert [path for path in tmp_path.glob("hspace-directions-*/scratch/*") if path.is_dir()] == []
    assert "hspace-secret" not in "".join(path.read_text(errors="ignore") for path in root.rglob("*") if path.is_file())


@pytest.mark.slow
def test_workers_of_ray_make_the_same_in_a_bucket(truth, tiny_model, seaweed_server, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    trial = Trial(seaweed_server.url("on-ray"), home, lambda: 0, environment=seaweed_server.environment())
    command = ["tests.jobs.tiny_faces", str(tiny_model), *TINY, "--workers", "2", "--root", trial.root]
    command.remove("--workers"), command.remove("0")
    process = trial.popen(trial.command(*command))
    assert process.wait(timeout=600) == 0, trial.printed()
    root = fetched(seaweed_server, "on-ray", tmp_path / "fetched")
    assert truth.losses(root) == [] == left_behind(trial, root)
    assert len(list(records(root))) == len(truth.parts)
