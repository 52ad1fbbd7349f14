"""A real, local Ray: parts are made, workers die, and the bytes are those of one process."""

import http.client
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import psutil
import pytest
import ray

from pipeline.engine import ray_start
from pipeline.engine.limits import Limits
from pipeline.engine.plan import plan
from pipeline.engine.pool import InProcess
from pipeline.engine.progress import Progress
from pipeline.engine.ray_pool import RayPool
from pipeline.engine.runner import RunFailed, run
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from tests.pipeline.planted import Deadly, Failing, Greedy, Meeting, Squares, Total, wait_for

ROOT = Path(__file__).parents[3]


class Silent(Progress):
    """Progress that nobody sees."""


class Borrowed:
    """The module's pool, for one run: closing it is left to the fixture."""

    def __init__(self, pool: RayPool) -> None:
        self.memory, self.submit, self.next_done = pool.memory, pool.submit, pool.next_done

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """Two workers, started beside settings that are meant for a cluster, which leads nowhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("PYTHONPATH", str(ROOT))  # workers import the planted stages by name
        patch.setenv("RAY_ADDRESS", "192.0.2.1:6379")
        patch.setenv("RAY_AUTH_MODE", "disabled")  # of a cluster, perhaps: a Ray of one's own is never open
        pool = RayPool(2, "local")
        yield pool
        pool.close()


@pytest.fixture
def marks(tmp_path) -> Path:
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


def sums(store: Store, stage: Stage) -> list[dict]:
    return [store.record(stage, part)["files"] for part in range(stage.n_parts) if store.exists(stage, part)]


def make(store: Store, goal: Stage, open_pool) -> None:
    run(plan((goal,), store), store, open_pool, Silent())


def test_a_worker_killed_in_the_middle_of_a_part_is_replaced_and_the_bytes_are_those_of_one_process(
    pool, marks, tmp_path
):
    numbers = Deadly(parts=5, once=(1, 3), marks=str(marks))
    goal = Total(Squares(numbers))
    on_ray, in_process = Store(tmp_path / "ray"), Store(tmp_path / "process")
    make(on_ray, goal, lambda: Borrowed(pool))
    assert sorted(path.name for path in marks.iterdir()) == ["1.0", "3.0"], "both died once"
    make(in_process, goal, InProcess)  # the marks are there, so nobody dies

    for stage in (numbers, Squares(numbers), goal):
        assert len(sums(on_ray, stage)) == stage.n_parts
        assert sums(on_ray, stage) == sums(in_process, stage)
    on_ray.prepare()
    assert list((on_ray.root / ".scratch").iterdir()) == []


def test_a_part_that_always_kills_its_worker_is_given_up_and_named_while_others_finish(pool, marks, tmp_path):
    store, numbers = Store(tmp_path / "root"), Deadly(parts=4, always=(2,), marks=str(marks))
    with pytest.raises(RunFailed) as failed:
        make(store, Squares(numbers), lambda: Borrowed(pool))
    first, last = str(failed.value).splitlines()
    deaths = len(list(marks.iterdir()))
    assert first.startswith(f"deadly part 2: its worker died {deaths} times: ")
    assert last == "1 parts that need these were not started."
    assert store.missing(numbers) == [2] and store.missing(Squares(numbers)) == [2]
    assert Limits().attempts <= deaths <= 2 * Limits().attempts  # the more, the more workers died in runs before


def test_a_failure_comes_back_with_its_traceback_and_the_pool_stays_of_use(pool, tmp_path):
    store = Store(tmp_path / "root")
    with pytest.raises(RunFailed, match="failing part 0: ZeroDivisionError: number 0") as failed:
        make(store, Failing(parts=3, failing=(0,)), lambda: Borrowed(pool))
    assert "planted.py" in next(iter(failed.value.failures.values())).traceback
    assert store.missing(Failing(parts=3, failing=(0,))) == [0]


def test_parts_that_fit_into_memory_one_at_a_time_are_made_so(pool, marks, tmp_path):
    assert 1e8 < pool.memory < 2 * psutil.virtual_memory().total
    store, greedy = Store(tmp_path / "root"), Greedy(4, memory=int(0.6 * pool.memory), marks=str(marks))
    make(store, greedy, lambda: Borrowed(pool))
    assert not store.missing(greedy)


def test_stages_that_want_a_gpu_have_the_workers_with_one_and_the_others_see_none(marks, tmp_path):
    """Two GPUs that Ray is told of: 5 parts want one and are first in line; none ends before 2 of each kind have begun."""
    code = (
        "import ray, sys; from functools import partial; from pathlib import Path\n"
        "from tests.pipeline.engine.test_ray_pool import *\n"
        "ray.init = partial(ray.init, num_gpus=2)\n"
        "goals = [Meeting(5, gpus=1, awaited=4, marks=sys.argv[2]), Meeting(4, awaited=4, marks=sys.argv[2])]\n"
        "store = Store(Path(sys.argv[1]))\n"
        "run(plan(goals, store), store, lambda: RayPool(2, 'local'), Silent())"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, str(tmp_path / "root"), str(marks)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=300)
    store = Store(tmp_path / "root")
    with_gpu, without = Meeting(5, gpus=1), Meeting(4)
    pids = [
        {store.record(stage, part)["made"]["pid"] for part in range(stage.n_parts)} for stage in (with_gpu, without)
    ]
    assert [len(each) for each in pids] == [2, 2] and not pids[0] & pids[1]
    assert {store.text(with_gpu, "sees.txt", part) for part in range(5)} == {"0", "1"}
    assert {store.text(without, "sees.txt", part) for part in range(4)} == {""}


def listeners() -> list[tuple[str, str, int]]:
    """Where this process and all that it started listen: program, address and port."""
    own = psutil.Process()
    return [
        (process.name(), connection.laddr.ip.removeprefix("::ffff:"), connection.laddr.port)
        for process in (own, *own.children(recursive=True))
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]


def ask(port: int, method: str, token: str | None) -> grpc.StatusCode:
    """What a server of Ray's says to an empty request, with the token or without."""
    metadata = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            channel.unary_unary(method)(b"", metadata=metadata, timeout=30)
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


METHODS = {
    "gcs_server": "/ray.rpc.NodeInfoGcsService/GetClusterId",
    "raylet": "/ray.rpc.NodeManagerService/GetNodeStats",
    "ray::RayWorker": "/ray.rpc.CoreWorkerService/PushTask",
}


def test_a_run_of_ones_own_listens_on_the_loopback_interface_alone(pool, tmp_path):
    make(Store(tmp_path), Squares(Failing(parts=2)), lambda: Borrowed(pool))  # all workers are there
    found = listeners()
    assert {program for program, _, _ in found} >= METHODS.keys()
    assert {address for _, address, _ in found} == {"127.0.0.1"}


@pytest.mark.parametrize("program", METHODS)
def test_who_has_no_token_is_refused(pool, program):
    """Everything that takes orders answers with the token, and to nobody without it or with another."""
    token = os.environ["RAY_AUTH_TOKEN"]
    asked = [port for name, _, port in listeners() if name == program]
    answers = {(ask(port, METHODS[program], given)) for port in asked for given in (None, "0" * 64)}
    assert answers <= {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNIMPLEMENTED,
    }  # the latter from another service
    assert grpc.StatusCode.UNAUTHENTICATED in answers
    assert {ask(port, METHODS[program], token) for port in asked} - {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNIMPLEMENTED,
    }


def test_the_agents_refuse_who_has_no_token(pool):
    def refused() -> int:
        return sum(refuses(port) for name, _, port in listeners() if name.endswith("Agent"))

    # The one that takes jobs has one port of the machine, and serves none where another Ray has that.
    wait_for(lambda: refused() == 2 or (refused() == 1 and others_listen(52365)), "both agents to refuse")


def others_listen(port: int) -> bool:
    """Whether a process that this one did not start listens at a port."""
    own = psutil.Process()
    ours = {process.pid for process in (own, *own.children(recursive=True))}
    return any(
        each.laddr.port == port and each.pid not in ours
        for each in psutil.net_connections("inet")
        if each.status == psutil.CONN_LISTEN
    )


def refuses(port: int) -> bool:
    """Whether an agent's server refuses who has no token; one that answers has numbers for Prometheus, which takes no orders."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/job_agent/jobs/", timeout=30) as answer:
            assert b"# HELP" in answer.read()
            return False
    except urllib.error.HTTPError as error:
        return error.code == 401
    except (http.client.HTTPException, OSError):
        pass  # gRPC, or not there yet
    return False


def test_nothing_is_started_that_is_not_wanted(pool):
    started = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has ended meanwhile
            started.append(" ".join(process.cmdline()))
    assert not [each for each in started for name in ("dashboard.py", "monitor.py", "log_monitor.py") if name in each]


def test_the_token_is_in_no_file(pool):
    """Ray keeps one in the home folder where it is left to itself."""
    assert not (Path(os.environ["HOME"]) / ".ray").exists()
    token = os.environ["RAY_AUTH_TOKEN"].encode()
    session = Path(pool.ray._private.worker._global_node.get_session_dir_path())
    files = [path for path in session.rglob("*") if path.is_file() and not path.is_symlink()]
    assert files and not [path for path in files if token in path.read_bytes()]


def test_a_process_that_is_connected_to_a_ray_keeps_it(pool, tmp_path):
    before = dict(os.environ)
    for address in (None, "local", "10.0.0.1:6379"):
        with pytest.raises(UserError, match="connected to a Ray already.*\nCall ray.shutdown"):
            RayPool(1, address)
    assert dict(os.environ) == before
    make(Store(tmp_path), Failing(parts=2), lambda: Borrowed(pool))


@dataclass
class Driver:
    """A run in a process of its own, whose two workers are held in the middle of a part until its gate is there."""

    folder: Path
    process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(self.command, cwd=ROOT, env=self.environment, stderr=subprocess.PIPE, text=True)
        reached = self.folder / "gate.reached.3"
        wait_for(lambda: reached.exists() or self.process.poll() is not None, "both workers to be in a part")

    @property
    def command(self) -> list[str]:
        code = (
            "import sys; from pathlib import Path\n"
            "from tests.pipeline.engine.test_ray_pool import *; from tests.pipeline.planted import *\n"
            "goal = Total(Gated(parts=4, held=2, gate=sys.argv[2]))\n"
            "make(Store(Path(sys.argv[1])), goal, lambda: RayPool(2, 'local'))"
        )
        return [sys.executable, "-c", code, str(self.folder / "root"), str(self.folder / "gate")]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT)}

    @property
    def started(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def check_the_next_run(self) -> None:
        """The same command goes on, and makes all that there is."""
        (self.folder / "gate").touch()
        subprocess.run(self.command, cwd=ROOT, env=self.environment, check=True, timeout=300)
        root = self.folder / "root"
        assert len(list(root.glob("gated-*/*.json"))) == 5
        assert [path.read_text() for path in root.glob("total-*/00000-*/total.txt")] == ["6\n"]


@pytest.mark.slow
def test_when_the_driver_is_killed_its_ray_goes_too_and_the_next_run_finds_what_was_finished(tmp_path):
    driver = Driver(tmp_path)
    started = driver.started
    assert {"gcs_server", "raylet", "ray::DashboardAgent"} <= {each.name() for each in started}
    driver.process.send_signal(signal.SIGKILL)
    driver.process.wait()
    _, left = psutil.wait_procs(started, timeout=30)
    assert not left, "of the killed driver's Ray"
    driver.check_the_next_run()


@pytest.mark.slow
def test_when_its_raylet_is_killed_the_run_ends_with_a_word_and_the_next_one_goes_on(tmp_path):
    driver = Driver(tmp_path)
    [raylet] = [each for each in driver.started if each.name() == "raylet"]
    raylet.kill()
    _, complaints = driver.process.communicate(timeout=180)
    assert driver.process.returncode != 0 and "UserError: The Ray that this run started has ended" in complaints
    driver.check_the_next_run()


class NoRay(Exception):
    pass


@pytest.mark.parametrize(
    ("address", "tries", "message"),
    [
        ("local", ray_start.TRIES, "Ray did not start on this machine .*\nTry again .*`workers` 0"),
        ("10.0.0.1:6379", 1, "No Ray cluster answers at 10.0.0.1:6379 .*\nCheck `address`"),
    ],
)
def test_a_ray_that_does_not_start_or_answer_is_an_error_that_says_what_to_do(address, tries, message, monkeypatch):
    """A Ray of one's own is given other tries: the first may have met a cold disk."""
    tried = []

    def init(**options: object) -> None:
        tried.append(options["address"])
        raise NoRay("planted")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray_start, "_children", set)  # those of the module's pool are none of this one's
    before = dict(os.environ)
    with pytest.raises(UserError, match=message):
        RayPool(address=address)
    assert tried == [address] * tries
    assert dict(os.environ) == before
