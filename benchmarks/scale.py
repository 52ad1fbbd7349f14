"""How far the pipeline scales: `python -m benchmarks.scale [--quick]`.

Workers: the demo's sampling on two workers of one thread against one, in turns. Control: parts that do nothing, through Ray with
two workers and in this process, kept in a store on the local disk and kept nowhere, which leaves what the control itself takes;
plans, and what a resumed run looks through, on the disk and in a bucket. Object storage: the small demo with its root in a bucket
(SeaweedFS on this machine) against the same on the disk. Fleet: a simulation, by these costs, of 1,024 GPUs of which 5 % are lost
every hour.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import ray
from rich.console import Console
from rich.table import Table

from benchmarks._fleet import Costs, Fleet, Spent
from benchmarks._report import verdict
from benchmarks._s3 import s3_against_disk, scan
from benchmarks._servers import seaweedfs
from pipeline.domains import portraits
from pipeline.engine.plan import plan
from pipeline.engine.pool import InProcess, Pool, kept_open
from pipeline.engine.progress import Progress
from pipeline.engine.ray_pool import RayPool
from pipeline.engine.runner import Agenda, run
from pipeline.engine.stage import Need, Stage, one
from pipeline.engine.store import Store
from pipeline.engine.worker import Failure
from pipeline.models import pretrained
from pipeline.stages.sources.sample import Sample

# The project's own bars, on two cores that nobody else uses.
TARGETS = {
    "two_workers_vs_one": (">=", 1.8),
    "ray_parts_a_second": (">=", 500.0),
    "in_process_parts_a_second": (">=", 500.0),
    "plan_seconds": ("<=", 10.0),  # 500,000 edges
    "s3_longer_than_disk": ("<=", 0.15),
    "fleet_efficiency": (">=", 0.9),  # of 1,024 GPUs, parts of ten minutes
}
GPUS, LOSSES, BOOT, NOTICE = (
    1024,
    0.05,
    240.0,
    30.0,
)  # losses an hour; seconds for a new machine, and until a lost one is missed
HOURS = 8.0  # that the fleet works; an hour of it where parts are short


@dataclass(frozen=True)
class Size:
    """How much is run."""

    steps: int  # T of the demo's sampling
    turns: int  # parts a worker makes in a round
    rounds: int
    kept: tuple[int, ...]  # parts in a store
    nowhere: tuple[int, ...]  # parts that are kept nowhere
    edges: int
    scanned: int  # parts in a bucket that a resumed run looks through
    jobs: int  # rounds of the small demo on S3 and on the disk


FULL = Size(16, 3, 5, (1_000, 10_000), (1_000, 10_000, 100_000), 500_000, 5_000, 5)
QUICK = Size(4, 2, 2, (500,), (500, 2_000), 50_000, 200, 1)


@dataclass(frozen=True)
class Nothing(Stage):
    """Parts of one tiny file."""

    n: int

    @property
    def n_parts(self) -> int:
        return self.n

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        (out / "part.txt").write_text("nothing\n")


@dataclass(frozen=True)
class After(Stage):
    """Each of its parts reads one of another stage's."""

    of: Stage

    @property
    def n_parts(self) -> int:
        return self.of.n_parts

    def needs(self, part: int) -> Iterator[Need]:
        yield one(self.of, part)


@dataclass(frozen=True)
class Nowhere(Store):
    """A store that forgets."""

    @contextmanager
    def part(self, stage: Stage, part: int, made: Any = None) -> Iterator[Path]:
        out = Path(self.root) / str(os.getpid())
        out.mkdir(exist_ok=True)
        yield out


def main() -> int:
    size = QUICK if "--quick" in sys.argv[1:] else FULL
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # of the workers, too
    os.environ.setdefault("RAY_worker_niceness", "0")  # workers give way to other processes; here none has precedence
    print(f"Load average at the start: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="hspace-") as folder:
        with kept_open(lambda: RayPool(2, "local")) as pool:
            figures, part = workers(pool(), Path(folder), size)
            figures |= control(pool, Path(folder), size)
            figures["driver_seconds_to_look_at_1024"] = look()
        figures |= plans(Path(folder), size)
    figures |= bucket(size)
    figures |= fleet(figures, part)
    return verdict("scale", figures, TARGETS)


def workers(pool: Pool, folder: Path, size: Size) -> tuple[dict[str, float], float]:
    """How many times as fast two workers sample as one; and the seconds of a part."""
    model = pretrained.find(str(portraits.MODEL))
    batch = 32
    sample = Sample(model, batch * 3 * size.turns * (size.rounds + 1), size.steps, batch=batch)
    store, parts = Store(folder / "sample"), iter(range(sample.n_parts))
    store.prepare()

    def made(at_once: int) -> float:
        """Parts a second."""
        todo = [next(parts) for _ in range(at_once * size.turns)]
        started = time.perf_counter()
        for part in todo[:at_once]:
            pool.submit((sample, part), store)
        for i in range(len(todo)):
            _, outcome = pool.next_done()
            if isinstance(outcome, Failure):
                raise RuntimeError(outcome.message)
            for part in todo[at_once + i : at_once + i + 1]:
                pool.submit((sample, part), store)
        return len(todo) / (time.perf_counter() - started)

    made(2), made(1)  # both load the network
    pairs = [(made(1), made(2)) for _ in range(size.rounds)]
    show("samples a second", {f"{n} of one thread": [pair[n - 1] * batch for pair in pairs] for n in (1, 2)})
    return {"two_workers_vs_one": round(median(two / alone for alone, two in pairs), 2)}, 1 / median(
        alone for alone, _ in pairs
    )


def control(pool: Callable[[], Pool], folder: Path, size: Size) -> dict[str, float]:
    """Parts a second that do nothing, and what of their time is the store's and the driver's."""
    rates: dict[str, list[float]] = {}
    figures: dict[str, float] = {}
    (folder / "nowhere").mkdir()
    held = psutil.Process().memory_info().rss
    for where, opened in {"Ray": pool, "in process": InProcess}.items():
        for n in size.nowhere:
            used = time.process_time()
            rates[f"{where}, {n:,} kept nowhere"] = [made_all(n, Nowhere(folder / "nowhere"), opened)]
            if where == "Ray":
                figures["driver_seconds_a_part"] = round((time.process_time() - used) / n, 6)
                figures["driver_bytes_a_part"] = round(max(0, psutil.Process().memory_info().rss - held) / n)
        figures[f"{where.lower().replace(' ', '_')}_control_a_second"] = round(rates[f"{where}, {n:,} kept nowhere"][0])
        for n in size.kept:
            rates[f"{where}, {n:,} kept"] = [made_all(n, Store(folder / f"{where}-{n}"), opened)]
        figures[f"{where.lower().replace(' ', '_')}_parts_a_second"] = round(rates[f"{where}, {n:,} kept"][0])
    show("parts a second", rates)
    n = size.kept[-1]
    commit = store_alone(n, Store(folder / "alone"))
    figures["store_seconds_a_part"] = round(commit, 5)
    figures["store_share_in_process"] = round(commit * figures["in_process_parts_a_second"], 2)
    return figures


def look() -> float:
    """Seconds in which a driver sees which of 1,024 workers have answered."""

    class Busy:
        def sleep(self) -> None:
            time.sleep(3600)

    actor: Any = ray.remote(num_cpus=0)(Busy).remote()
    answers = [actor.sleep.remote() for _ in range(GPUS)]
    rounds = [_timed(lambda: ray.wait(answers, num_returns=1, timeout=0)) for _ in range(11)]
    ray.kill(actor)
    return round(median(rounds), 5)


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def made_all(n: int, store: Store, opened: Callable[[], Pool]) -> float:
    """Parts a second of a whole run, its plan included."""
    store.prepare()
    started = time.perf_counter()
    run(plan((Nothing(n),), store), store, opened, Progress())
    return n / (time.perf_counter() - started)


def store_alone(n: int, store: Store) -> float:
    """Seconds that the store takes for a part of one tiny file."""
    store.prepare()
    stage = Nothing(n)
    started = time.perf_counter()
    with store.several():
        for part in range(n):
            with store.part(stage, part) as out:
                stage.process(part, store, None, out)
    return (time.perf_counter() - started) / n


def plans(folder: Path, size: Size) -> dict[str, float]:
    """Seconds to plan a run with its agenda where nothing is there, and to find that everything is."""
    n = size.kept[-1]
    goal = After(Nothing(size.edges))
    started, used = time.perf_counter(), time.process_time()
    Agenda(plan((goal,), Store(folder / "none")))
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    started = time.perf_counter()
    [left] = plan((Nothing(n),), Store(folder / f"in process-{n}"))
    resumed = time.perf_counter() - started
    assert not left.todo
    return {
        "plan_seconds": round(seconds, 2),
        "plan_cpu_seconds": round(cpu, 2),
        "resume_seconds_10000_parts": round(resumed * 10_000 / n, 2),
    }


def bucket(size: Size) -> dict[str, float]:
    """What it costs to be on S3: how much longer the small demo takes than on the disk, and what a resumed run looks through."""
    with seaweedfs() as server:
        taken = s3_against_disk(server, size.jobs)
        show("seconds of the small demo", {"its root on the disk": taken.disk, "on S3": taken.s3})
        kept, looked = scan(server, Nothing(size.scanned))
    return {
        "s3_longer_than_disk": round(taken.overhead, 3),
        "s3_store_seconds_a_part": round(kept / size.scanned, 4),
        "s3_resume_seconds_10000_parts": round(looked * 10_000 / size.scanned, 2),
    }


def fleet(figures: dict[str, float], part: float) -> dict[str, float]:
    """Where the GPU-seconds of a large fleet go, by the length of a part."""
    table = Table(
        "a part",
        "GPUs of 1,024 that are of use",
        "first bottleneck",
        "its share",
        "driver busy",
        box=None,
        header_style="bold",
    )
    found: dict[float, Spent] = {}
    driver = figures["driver_seconds_a_part"] + figures["driver_seconds_to_look_at_1024"]
    for seconds in (10.0, 60.0, 600.0):
        costs = Costs(
            part=seconds,
            commit=figures["store_seconds_a_part"],
            driver=driver,
            start=60.0,
            boot=BOOT,
            notice=NOTICE,
        )
        hours = HOURS if seconds >= 60 else HOURS / 8
        found[seconds] = spent = Fleet(GPUS, LOSSES, costs).run(int(GPUS * hours * 3600 / seconds))
        share = spent.wasted[spent.bottleneck] / (spent.useful + sum(spent.wasted.values()))
        busy = spent.driver_busy / spent.wall
        table.add_row(
            f"{seconds:g} s", f"{spent.efficiency * GPUS:.0f}", spent.bottleneck, f"{share:.1%}", f"{busy:.1%}"
        )
    print(
        "1,024 GPUs, 5 % lost an hour; a new machine comes in 240 s, its worker starts in 60 s, a lost one is missed in 30 s"
    )
    Console(width=110).print(table)
    return {
        "fleet_efficiency": round(found[600.0].efficiency, 3),
        "fleet_efficiency_minute_parts": round(found[60.0].efficiency, 3),
        "shortest_part_seconds": round(GPUS * driver, 2),  # below it, the driver is too slow
        "cpu_seconds_a_part_of_32": round(part, 1),
    }


def show(title: str, rates: dict[str, list[float]]) -> None:
    table = Table("", title, "slowest", "fastest", box=None, header_style="bold")
    for name, found in rates.items():
        table.add_row(name, *(f"{number:.1f}" for number in (median(found), min(found), max(found))))
    Console(width=110).print(table)


if __name__ == "__main__":
    raise SystemExit(main())
