"""Single flipped bits in the finished parts of a whole job, in every kind of file: all are found, and none reaches a catalog."""

import json
import random
import shlex
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchmarks._chaos_check import Truth
from benchmarks._chaos_rot import files_of_parts, flip_bit, part_of
from jobs.command_line import app as application
from jobs.portraits import portraits as portraits_job
from jobs.verify import verify
from pipeline.domains import portraits

TINY = shlex.split(
    "--samples 12 --steps 2 --top 4 --components 2 --held-out 4 --attributes smile --batch 4 --judge portraits-judge "
    "--jacobians 1 --region image --workers 0"
)
AT_ONCE = 10  # flips that are looked for together, each in another part

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(portraits_job)


@pytest.fixture(scope="module")
def whole(tiny_model, tmp_path_factory) -> Path:
    """The root of an undisturbed run."""
    root = tmp_path_factory.mktemp("whole") / "root"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portraits, "MODEL", tiny_model)
        result = CliRunner().invoke(app, [*TINY, "--root", str(root)], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        yield root


@pytest.fixture
def root(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "root", symlinks=True))


def run(root: Path, *more: str):
    return CliRunner().invoke(app, [*TINY, "--root", str(root), *more], catch_exceptions=False)


def flipped(root: Path, chance: random.Random) -> dict[Path, bytes]:
    """Flip a bit in a file of each of some parts, kinds of files in turn, and return what the files were."""
    kinds = defaultdict(list)
    for path in files_of_parts(root):
        kinds["record" if path.name[0].isdigit() and path.suffix == ".json" else path.suffix or path.name].append(path)
    before: dict[Path, bytes] = {}
    hurt: set[str] = set()
    while len(before) < AT_ONCE:
        for kind in chance.sample(sorted(kinds), len(kinds)):
            path = chance.choice(kinds[kind])
            if part_of(root, path) not in hurt and path.stat().st_size and len(before) < AT_ONCE:
                hurt.add(part_of(root, path))
                before[path] = path.read_bytes()
                flip_bit(path, [], chance)
    return before


def unfound(root: Path, before: dict[Path, bytes]) -> list[str]:
    """Return which flips a look at every byte does not name, but for those that leave a record's JSON what it was."""
    result = CliRunner().invoke(application(verify), [str(root), "--deep", "--json"])
    assert result.exit_code == 1, "something is damaged"
    named = {f"{each['stage']}/{each['why']}" for each in json.loads(result.stdout)["faults"]}
    missed = [path for path in before if not any(each.startswith(str(path.relative_to(root))) for each in named)]
    return [str(path) for path in missed if not (path.suffix == ".json" and same(path.read_bytes(), before[path]))]


def same(one: bytes, other: bytes) -> bool:
    try:
        return json.loads(one) == json.loads(other)
    except ValueError:
        return False


def put_back(before: dict[Path, bytes]) -> None:
    for path, content in before.items():
        path.write_bytes(content)


def kinds_of(before: dict[Path, bytes]) -> set[str]:
    return {path.suffix or path.name for path in before}


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [pytest.param(100, id="1000")])
def test_every_flipped_bit_is_found_and_named(rounds, root):
    chance, kinds = random.Random(rounds), set()
    assert CliRunner().invoke(application(verify), [str(root), "--deep"]).exit_code == 0
    for _ in range(rounds):
        before = flipped(root, chance)
        kinds |= kinds_of(before)
        assert unfound(root, before) == []
        put_back(before)
    assert CliRunner().invoke(application(verify), [str(root), "--deep"]).exit_code == 0
    assert kinds >= {".parquet", ".safetensors", ".json", ".md", ".html"}


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [pytest.param(20, id="20")])
def test_no_flipped_bit_reaches_a_catalog_and_repairing_makes_the_same(rounds, whole, root):
    """The catalog is made again of what is damaged: it is refused, or has the bytes that it always had."""
    truth, chance = Truth.of(whole), random.Random(rounds)
    for _ in range(rounds):
        flipped(root, chance)
        for published in [*root.glob("catalog-*"), *root.glob("explorer-*"), *root.glob("profiles-*")]:
            shutil.rmtree(published)
        made = run(root)
        for record in root.glob("catalog-*/[0-9]*.json"):
            [name] = (part for part in truth.parts if part.startswith("catalog-"))
            assert made.exit_code != 0 or {name: truth.parts[name]}.items() <= Truth.of(root).parts.items(), record
        repaired = run(root, "--repair")
        assert repaired.exit_code == 0, repaired.output
        assert truth.losses(root) == []
