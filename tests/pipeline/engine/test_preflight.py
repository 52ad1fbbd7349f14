"""What runs on the machines of a cluster before the work, run here: a relay by planted stores, and stages that do not load."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.engine import preflight
from pipeline.engine.checks import GPUTrial, Kind, Machine
from pipeline.engine.plan import StagePlan
from pipeline.engine.preflight import NAME, Visit, load, look, pass_on
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError

KIND: Kind = (("CPU", 2.0), ("GPU", 0.0))


@pytest.fixture
def store(tmp_path) -> Store:
    made = Store(tmp_path / "root")
    made.prepare()
    return made


class RayError(Exception):
    """What Ray raises."""


class Planted(Visit):
    """A cluster whose machines are this process, each with a store of its own."""

    def __init__(self, stores: dict[str, Store], gone: tuple[str, ...] = ()):
        self.stores, self.gone = stores, gone
        super().__init__(SimpleNamespace(
            get=lambda answer, timeout=None: answer(),
            wait=lambda answers, **_: (answers, []),
            nodes=lambda: [{"NodeID": name, "Alive": name not in gone, "Resources": {"CPU": 2.0}} for name in stores],
            exceptions=SimpleNamespace(RayError=RayError),
        ))  # fmt: skip

    def _on(self, node: str, function: Callable[..., Any], *arguments: Any, **_: Any) -> Any:
        def call() -> Any:
            if node in self.gone:
                raise RayError("The node died.")
            return function(*(self.stores[node] if isinstance(each, Store) else each for each in arguments))

        return call

    @property
    def machines(self) -> list[Machine]:
        seen = replace(look((), ()), by_token=True)
        return [Machine(name, KIND, replace(seen, host=name), seen.time, seen.time) for name in self.stores]


def test_a_store_that_all_machines_share_passes(store):
    cluster = Planted({"a": store, "b": store, "c": store})
    check = cluster.relay(store, cluster.machines)
    assert check.state == "ok" and "3 machines" in check.found
    assert not [path for path in Path(str(store.root)).iterdir() if path.is_file()], "what was passed on is taken back"


def test_two_looks_at_one_root_do_not_disturb_each_other(store):
    first, second = Planted({"a": store, "b": store}), Planted({"c": store, "d": store})

    class Meanwhile(Planted):
        def _on(self, node: str, *rest: Any, **more: Any) -> Any:
            assert second.relay(store, second.machines).state == "ok"
            return first._on(node, *rest, **more)

    cluster = Meanwhile(first.stores)
    assert cluster.relay(store, cluster.machines).state == "ok"


def test_a_machine_that_has_another_store_of_that_name_is_named(store, tmp_path):
    other = Store(tmp_path / "other")
    other.prepare()
    cluster = Planted({"a": store, "odd": other, "c": store})
    check = cluster.relay(store, cluster.machines)
    assert check.state == "failed"
    assert "odd: reads nothing where the machine before it left" in check.found
    assert "a: " not in check.found and "c: " not in check.found


def test_a_machine_that_may_not_write_is_named_with_why(store, monkeypatch):
    def full(self: Store, name: str, content: bytes) -> None:
        raise UserError("No room is left.")

    class Full(Store):
        leave = full  # type: ignore[assignment]

    cluster = Planted({"a": store, "full": Full(store.root)})
    check = cluster.relay(store, cluster.machines)
    assert check.state == "failed" and check.found == "full: No room is left."


def test_a_machine_that_went_meanwhile_is_no_fault(store):
    cluster = Planted({"a": store, "gone": store, "c": store}, gone=("gone",))
    assert cluster.relay(store, cluster.machines).state == "ok"


def test_what_the_driver_cannot_write_is_the_first_fault(tmp_path):
    (tmp_path / "file").write_text("")
    below = Store(tmp_path / "file" / "root")
    check = Planted({}).relay(below, [])
    assert check.state == "failed" and str(tmp_path / "file") in check.found


def test_what_is_passed_on_must_be_what_was_left(store):
    store.leave("passed", b"driver 1")
    assert pass_on(store, "passed", b"driver 1", b"a 2") is None
    assert store.left("passed") == b"a 2"
    assert "reads 'a 2' where" in str(pass_on(store, "passed", b"driver 1", b"b 3"))
    assert store.left("passed") == b"a 2", "nothing is left in a store that is another one"


def test_a_machine_says_what_it_has_and_lacks(tmp_path):
    (tmp_path / "there").touch()
    seen = look(["ray", "no-such-package"], [str(tmp_path / "there"), str(tmp_path / "absent")])
    assert seen.absent == (str(tmp_path / "absent"),)
    assert seen.packages["no-such-package"] is None and seen.packages["ray"]
    assert seen.scratch > 0 and seen.time > 1.7e9


# Networks


@dataclass(frozen=True)
class Loads(Stage):
    """A stage that loads what it needs, or does not."""

    fault: str = ""

    def setup(self) -> None:
        if self.fault:
            raise OSError(self.fault)


@dataclass(frozen=True)
class AlsoLoads(Loads):
    """One of another kind."""


def nothing(stage: Stage) -> None:
    return None


def test_stages_that_load_pass_and_those_that_do_not_are_named_with_why():
    assert load([Loads()], nothing) == ([], None)
    faults, trial = load([Loads(), AlsoLoads("no such folder\nand more")], nothing)
    assert faults == ["also-loads: OSError: no such folder"] and trial is None


def test_the_first_stage_that_is_networks_work_is_tried():
    tried = GPUTrial("L4", 1, 2, 0.5)
    assert load([Loads(), AlsoLoads()], lambda stage: tried if isinstance(stage, AlsoLoads) else None) == ([], tried)


def test_a_batch_that_does_not_fit_is_told():
    def too_large(stage: Stage) -> GPUTrial:
        raise MemoryError("CUDA out of memory")

    assert load([Loads()], too_large) == ([], "MemoryError: CUDA out of memory")


def test_one_machine_of_each_type_loads(store):
    cluster = Planted({"a": store, "b": store, "c": store})
    machines = [*cluster.machines[:2], replace(cluster.machines[2], kind=(("CPU", 8.0), ("GPU", 0.0)))]
    made = list(cluster.trials(machines, [StagePlan(Loads(), (0,), 0)], nothing))
    assert [each.state for each in made] == ["ok", "skipped", "skipped"]
    assert made[0].found.endswith(" on b, c"), "one of the two that are alike, and the other one"

    [models, *_] = cluster.trials(machines, [StagePlan(Loads("gone"), (0,), 0)], nothing)
    assert models.state == "failed" and "c: loads: OSError: gone" in models.found


# All of it


def test_what_was_found_is_left_in_the_store(store, monkeypatch):
    cluster = Planted({"a": store})
    cluster.wait = lambda: preflight.Check("workers", "ok", "1 with 2 CPUs")  # type: ignore[method-assign]
    cluster.look = lambda *_: (cluster.machines, [])  # type: ignore[method-assign]
    monkeypatch.setattr(preflight, "Visit", lambda ray: cluster)
    monkeypatch.setattr(preflight, "connected", lambda *_, **__: __import__("contextlib").nullcontext())
    made = list(preflight.preflight(store, [StagePlan(Loads(), (0,), 0)], [], nothing, "auto"))
    assert json.loads((Path(str(store.root)) / NAME).read_text())[0]["name"] == "workers"
    assert [each.name for each in made] == [
        "workers",
        "releases",
        "authentication",
        "clocks",
        "files",
        "space",
        "scratch",
        "store",
        "models",
        "GPU memory",
        "time",
    ]


def test_files_that_machines_fetch_by_themselves_need_not_be_there(store, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "mine").mkdir()
    asked: list[list[str]] = []
    cluster = Planted({"a": store})
    cluster.wait = lambda: preflight.Check("workers", "ok", "")  # type: ignore[method-assign]
    cluster.look = lambda packages, files: asked.append(files) or (cluster.machines, [])  # type: ignore[method-assign]
    stages = [Loads(fault=str(tmp_path / name)) for name in ("cache", "mine")]
    plans = [StagePlan(each, (0,), 0) for each in stages]
    list(preflight._checks(cluster, store, plans, [], nothing, tmp_path / "cache"))
    assert asked == [[str(tmp_path / "mine")]]


def test_nothing_is_loaded_where_something_failed_before(store, tmp_path):
    other = Store(tmp_path / "other")
    other.prepare()
    cluster = Planted({"odd": other})
    cluster.wait = lambda: preflight.Check("workers", "ok", "")  # type: ignore[method-assign]
    cluster.look = lambda *_: (cluster.machines, [])  # type: ignore[method-assign]
    made = list(preflight._checks(cluster, store, [StagePlan(Loads("never"), (0,), 0)], [], nothing, None))
    assert [(each.name, each.state) for each in made if each.state != "ok"][-1] == ("models", "skipped")
    assert ("store", "failed") in [(each.name, each.state) for each in made]
