"""What lies in a root is looked at, listed and cleared by what it says of itself, on a disk and in an object store."""

import json
import random
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

import jobs.clean as clean_job
from jobs.clean import clean
from jobs.command_line import app
from jobs.results import folder_at_hand
from jobs.runs import runs
from jobs.verify import verify
from pipeline.engine.filesystem import Filesystem
from pipeline.engine.holdings import holdings
from pipeline.engine.plan import plan
from pipeline.engine.pool import InProcess
from pipeline.engine.progress import Progress
from pipeline.engine.roots import opened
from pipeline.engine.runner import run
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from tests.pipeline.planted import Numbers, Squares, Total


@dataclass(frozen=True)
class Catalog(Stage):
    """What a job ends with."""

    of: Stage

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        (out / "catalog.json").write_text('{"model": {"name": "planted"}}')


@dataclass(frozen=True)
class Page(Stage):
    """And its page."""

    catalog: Stage

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        (out / "page.html").write_text("<p>")


NUMBERS = Numbers(parts=4)
FIRST, SECOND = Catalog(Total(Squares(NUMBERS))), Catalog(Total(NUMBERS))


@pytest.fixture(params=["disk", "memory"])
def root(request, tmp_path) -> str:
    return str(tmp_path / "root") if request.param == "disk" else f"memory://{uuid.uuid4()}"


@pytest.fixture
def store(root) -> Store:
    store = Store(root)
    store.prepare()
    made(store, Page(FIRST), Page(SECOND))
    return store


def made(store: Store, *goals: Stage) -> None:
    run(plan(goals, store), store, InProcess, Progress())


def invoke(job, *arguments: str):
    return CliRunner().invoke(app(job), arguments)


def folders(root: str) -> set[str]:
    return set(opened(root).folders())


def flip(files: Filesystem, name: str, bit: int) -> None:
    content = bytearray(files.read(name))
    content[bit // 8] ^= 1 << bit % 8
    with files.staging() as staging:
        files.write(name, bytes(content), staging)


def test_what_is_as_written_is_well_and_every_flipped_bit_is_named(store, root):
    files = opened(root)
    names = [f"{folder}/{name}" for folder in files.folders() for name in files.listing(folder)]
    assert invoke(verify, root).exit_code == 0 == invoke(verify, root, "--deep").exit_code
    pick = random.Random(0)
    for _ in range(60):
        name = pick.choice(names)
        before = files.read(name)
        flip(files, name, pick.randrange(8 * len(before)))
        found = invoke(verify, root, "--deep", "--json")
        if not (name.endswith(".json") and _same_json(before, files.read(name))):  # an escape, or a space for a tab
            [told, *_] = json.loads(found.stdout)["faults"]
            stage, _, within = name.partition("/")
            assert found.exit_code == 1 and told["stage"] == stage and within.startswith(told["part"] or "stage.json")
        with files.staging() as staging:
            files.write(name, before, staging)
    assert invoke(verify, root, "--deep").exit_code == 0


def _same_json(one: bytes, other: bytes) -> bool:
    try:
        return json.loads(one) == json.loads(other)
    except ValueError:
        return False


def test_what_is_gone_or_cut_is_seen_without_a_look_into_the_files(store, root):
    files, at = opened(root), store.location(NUMBERS, 1).removeprefix(f"{root}/")
    files.remove(f"{at}/numbers.parquet")
    cut = store.location(NUMBERS, 2).removeprefix(f"{root}/")
    with files.staging() as staging:
        files.write(f"{cut}/numbers.parquet", b"cut", staging)
    found = invoke(verify, root)
    assert found.exit_code == 1
    assert f"{NUMBERS.folder}: {at.partition('/')[2]}/numbers.parquet is missing" in found.stderr
    assert f"{cut.partition('/')[2]}/numbers.parquet has 3 bytes, of" in found.stderr


def test_repairing_takes_out_what_is_damaged_and_the_next_run_makes_it_again(store, root):
    files = opened(root)
    before = store.table(NUMBERS, "numbers.parquet")
    flip(files, f"{store.location(NUMBERS, 1).removeprefix(f'{root}/')}/numbers.parquet", 300)
    flip(files, f"{NUMBERS.folder}/00002.json", 300)
    files.remove(f"{FIRST.folder}/stage.json")
    found = invoke(verify, root, "--deep", "--repair")
    assert found.exit_code == 0 and "3 faults; what was damaged is taken out" in found.stdout
    assert store.missing(NUMBERS) == [1, 2] and store.unsound(NUMBERS) == []
    made(store, NUMBERS)
    assert store.table(NUMBERS, "numbers.parquet") == before


def test_what_is_no_stages_folder_is_somebody_elses_and_stays(store, root):
    files = opened(root)
    folder_at_hand(store, SECOND, "catalog")
    with files.staging() as staging:
        for name in ("notes/mine.json", "notes-2024/stage.json"):
            files.write(name, b"{}", staging)
    assert invoke(verify, root, "--deep", "--repair").exit_code == 0 == invoke(verify, root, "--deep").exit_code
    assert invoke(clean, root, "--keep", "0", "--delete").exit_code == 0
    assert set(files.listing("notes")) == {"mine.json"} and set(files.listing("notes-2024")) == {"stage.json"}


def test_what_is_always_at_hand_in_a_bucket_is_of_the_newest_alone():
    store = Store(f"memory://{uuid.uuid4()}")
    made(store, SECOND)
    store.leave("catalog/of-an-older-one.safetensors", b"old")
    folder_at_hand(store, SECOND, "catalog")
    assert set(opened(store.root).listing("catalog")) == {"catalog.json"}


def test_a_record_that_goes_while_its_root_is_looked_at_is_none(store, root, monkeypatch):
    files = opened(root)
    listing, name = files.listing(NUMBERS.folder), f"{NUMBERS.folder}/00001.json"
    files.remove(name)
    monkeypatch.setattr(type(files), "listing", lambda _, folder: listing if folder == NUMBERS.folder else {})
    [held] = holdings(files)
    assert set(held.records) == {"00000", "00002", "00003"} and not held.faults


@pytest.mark.parametrize("gone", [True, False])
def test_what_a_stage_is_is_written_again_where_it_is_damaged(gone, store, root):
    files, name = opened(root), f"{NUMBERS.folder}/stage.json"
    before = files.read(name)
    files.remove(name) if gone else flip(files, name, 77)
    assert invoke(verify, root).exit_code == 1
    made(Store(root, repairing=True), FIRST)
    assert files.read(name) == before and invoke(verify, root, "--deep").exit_code == 0


def test_runs_are_listed_with_what_they_are_of_and_how_large_they_are(store, root):
    listed = json.loads(invoke(runs, root, "--json").stdout)
    assert {row["folder"] for row in listed["finished"]} == {FIRST.folder, SECOND.folder}
    assert all(row["of"] == "planted" and row["bytes"] > 0 for row in listed["finished"])
    assert {row["where"] for row in listed["finished"]} == {store.location(FIRST), store.location(SECOND)}
    assert listed["unfinished"] == []
    made(store, Total(Numbers(parts=2, start=7)))
    listed = json.loads(invoke(runs, root, "--json").stdout)
    assert {each["folder"].rpartition("-")[0] for each in listed["unfinished"]} == {"total", "numbers"}
    shown = invoke(runs, root)
    assert "planted" in shown.stdout and "Of no finished run: numbers-" in shown.stdout


def test_what_no_kept_run_needs_is_only_listed_unless_it_is_to_be_removed(store, root):
    unfinished = Total(Numbers(parts=2, start=7))
    made(store, unfinished)
    files = opened(root)
    with files.staging() as staging:
        files.write(f"{NUMBERS.folder}/00000-of-a-rival/numbers.parquet", b"half", staging)
    before = set(files.folders())
    dry = invoke(clean, root)
    assert dry.exit_code == 0 and set(files.folders()) == before
    for folder in (unfinished.folder, unfinished.of.folder, f"{NUMBERS.folder}/00000-of-a-rival"):
        assert folder in dry.stdout
    assert FIRST.folder not in dry.stdout
    assert invoke(clean, root, "--delete").exit_code == 0
    assert set(files.folders()) == before - {unfinished.folder, unfinished.of.folder}
    assert "00000-of-a-rival/numbers.parquet" not in files.listing(NUMBERS.folder)
    assert plan([Page(FIRST), Page(SECOND)], store) and not any(
        each.todo for each in plan([Page(FIRST), Page(SECOND)], store)
    )


def test_only_the_newest_are_kept_where_that_is_wanted(store, root):
    assert invoke(clean, root, "--keep", "0", "--delete").exit_code == 0
    assert opened(root).folders() == []


def test_nothing_is_removed_while_a_run_goes_on(store, root):
    made(store, Total(Numbers(parts=2, start=7)))
    before = folders(root)
    with opened(root).marked():
        refused = invoke(clean, root, "--delete")
        assert refused.exit_code == 2 and "A run seems to go on" in refused.stderr and folders(root) == before
    assert invoke(clean, root, "--delete").exit_code == 0 and folders(root) < before


def test_a_run_that_ends_while_its_root_is_looked_at_loses_nothing(store, root, monkeypatch):
    late = Catalog(Squares(Numbers(parts=2, start=7)))
    made(store, late.of)
    running = opened(root).marked()
    running.__enter__()

    def ends(files: Filesystem, keep: int | None) -> dict[str, int]:
        found = looked(files, keep)
        made(store, late)
        running.__exit__(None, None, None)
        return found

    looked = clean_job._free
    monkeypatch.setattr(clean_job, "_free", ends)
    invoke(clean, root, "--delete")
    assert not store.missing(late.of) and not store.missing(late.of.numbers)


def test_the_mark_of_a_killed_driver_goes_with_who_says_that_nothing_is_busy():
    root = f"memory://{uuid.uuid4()}"
    made(Store(root), FIRST)
    running = opened(root).marked()
    running.__enter__()
    assert invoke(clean, root, "--delete").exit_code == 2
    assert invoke(clean, root, "--delete", "--even-if-busy").exit_code == 0 == invoke(clean, root, "--delete").exit_code


@pytest.mark.parametrize("job", [verify, runs, clean])
def test_a_root_that_holds_nothing_is_refused(job, tmp_path):
    found = invoke(job, str(tmp_path / "nothing"))
    assert found.exit_code == 2 and "holds nothing that a job made" in found.stderr
    assert invoke(job, "ftp://host/x").exit_code == 2
