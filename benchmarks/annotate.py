"""JPEG files on disk, scored, against the same network over tensors in memory: `python -m benchmarks.annotate [--quick]`.

    stage      the AnnotateImages stage of jobs.annotate through the store: files read, decoded, resized, scored, and tables written
    plain      the same annotator in the same process, called with batches of images that lie in memory at the network's size
    workers    the stage on two Ray workers, against one

The network is MTCNN, a ResNet-18 of timm's, and a convolutional network in ONNX, each on one thread as a worker has; random weights
do for what is timed. The photographs are cut out of the two that come with scikit-learn, 400 x 300 pixels; many names are links to
few files, so that parts are as long as in a large set. All sides take turns; a ratio is the median over the rounds of the ratio
within a round. It wants an idle machine: threads that wait for each other suffer most from others' work.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_sample_images

from benchmarks._networks import SIZE, Timm, write_onnx
from benchmarks._report import verdict
from pipeline.annotators.base import Annotator
from pipeline.annotators.border import scorer
from pipeline.annotators.registry import annotator
from pipeline.engine.ray_pool import RayPool
from pipeline.engine.store import Store
from pipeline.engine.threads import fixed_threads
from pipeline.engine.worker import Failure
from pipeline.recipes.annotations import annotations
from pipeline.stages.labels.annotate_images import AnnotateImages

# The project's own bar: what reading, decoding and writing may cost beside the network, and what a second worker must bring.
TARGETS = {
    "mtcnn_vs_plain": (">=", 0.85),
    "timm_vs_plain": (">=", 0.85),
    "onnx_vs_plain": (">=", 0.85),
    "two_workers_vs_one": (">=", 1.7),
}
PHOTOGRAPHS = 128  # files
HEIGHT, WIDTH = 300, 400  # pixels
BATCH = 32

Run = Callable[[], int]  # scores images and returns how many
Speeds = dict[str, list[float]]  # images a second, one number a round


@dataclass(frozen=True)
class Size:
    names: int  # in the set: a part has a 256th of them
    rounds: int
    turns: int  # parts of each worker in a round


FULL = Size(names=2**15, rounds=7, turns=2)
QUICK = Size(names=2**14, rounds=2, turns=1)


def main() -> int:
    size = QUICK if "--quick" in sys.argv[1:] else FULL
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # of the workers, too
    os.environ.setdefault("RAY_worker_niceness", "0")  # workers give way to other processes; here none has precedence
    print(f"Load average at the start: {os.getloadavg()[0]:.1f}")

    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="hspace-") as temporary:
        folder = Path(temporary)
        write_photographs(folder / "set", size.names)
        networks = (annotator("mtcnn"), Timm(), write_onnx(folder / "network.onnx"))
        for network in networks:
            stage, store = prepared(folder, network)
            speeds = in_turns({"plain": plain(stage, store), "stage": staged(stage, store)}, size.rounds)
            show(f"{network.name}: parts of {stage.part_size} images, batches of {stage.batch}", speeds)
            figures[f"{network.name}_vs_plain"] = round(ratio(speeds, "stage", "plain"), 3)
        figures["two_workers_vs_one"] = round(by_workers(*prepared(folder, Timm()), size), 2)
    return verdict("annotate", figures, TARGETS)


def write_photographs(folder: Path, names: int) -> None:
    """JPEGs of photographs' parts, under many names."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    whole = load_sample_images().images
    for i in range(PHOTOGRAPHS):
        image = whole[i % len(whole)]
        top, left = (int(rng.integers(0, more + 1)) for more in np.subtract(image.shape[:2], (HEIGHT, WIDTH)))
        Image.fromarray(image[top : top + HEIGHT, left : left + WIDTH]).save(folder / f"{i:06d}.jpg", quality=90)
    for i in range(PHOTOGRAPHS, names):
        os.link(folder / f"{i % PHOTOGRAPHS:06d}.jpg", folder / f"{i:06d}.jpg")


def prepared(folder: Path, network: Annotator) -> tuple[AnnotateImages, Store]:
    """The stage that scores the set, and a store in which the set is listed."""
    spool = Path(tempfile.mkdtemp(dir=folder))
    published, _ = annotations(folder / "set", [network], spool, (SIZE, SIZE), BATCH, 0.05).goals
    store = Store(Path(tempfile.mkdtemp(dir=folder)))
    store.prepare()
    with store.part(published.annotate.images, 0) as out:
        published.annotate.images.process(0, store, None, out)
    return published.annotate, store


# The sides


def staged(stage: AnnotateImages, store: Store) -> Run:
    loaded, parts = stage.setup(), iter(range(stage.n_parts))

    def run() -> int:
        part = next(parts)
        with store.part(stage, part) as out:
            stage.process(part, store, loaded, out)
        return stage.part_size

    return run


def plain(stage: AnnotateImages, store: Store) -> Run:
    [network] = stage.annotators
    score = scorer(network)
    some = stage.images.encoded(range(PHOTOGRAPHS), store)
    images = np.stack([each.fitted(stage.height, stage.width) for each in some])
    batches: Iterator[np.ndarray] = (images[(i * BATCH) % PHOTOGRAPHS :][:BATCH] for i in count())

    def run() -> int:
        for _ in range(stage.part_size // BATCH):
            score(next(batches))
        return stage.part_size

    return run


def by_workers(stage: AnnotateImages, store: Store, size: Size) -> float:
    """How many times as fast two workers are as one."""
    parts = iter(range(stage.n_parts))
    pool = RayPool(2)
    try:

        def run(workers: int) -> int:
            todo = [next(parts) for _ in range(workers * size.turns)]
            for part in todo[:workers]:
                pool.submit((stage, part), store)
            for i in range(len(todo)):
                _, outcome = pool.next_done()
                if isinstance(outcome, Failure):
                    raise RuntimeError(outcome.traceback or outcome.message)
                for part in todo[workers + i : workers + i + 1]:
                    pool.submit((stage, part), store)
            return len(todo) * stage.part_size

        run(2)  # both load the network
        speeds = in_turns({"one worker": lambda: run(1), "two workers": lambda: run(2)}, size.rounds)
    finally:
        pool.close()
    show("timm, on Ray", speeds)
    return ratio(speeds, "two workers", "one worker")


# Timing


def in_turns(contenders: dict[str, Run], rounds: int) -> Speeds:
    """Run them one after the other, each first in every other round; the first round warms up and does not count."""
    speeds: Speeds = {name: [] for name in contenders}
    for i in range(rounds + 1):
        for name in [*contenders][:: -1 if i % 2 else 1]:
            with fixed_threads():
                started = time.perf_counter()
                n = contenders[name]()
                seconds = time.perf_counter() - started
            if i:
                speeds[name].append(n / seconds)
    return speeds


def ratio(speeds: Speeds, one: str, other: str) -> float:
    return median(a / b for a, b in zip(speeds[one], speeds[other], strict=True))


def show(title: str, speeds: Speeds) -> None:
    table = Table(title, "images/s", "slowest", "fastest", box=None, header_style="bold")
    for name, found in speeds.items():
        table.add_row(name, *(f"{number:.1f}" for number in (median(found), min(found), max(found))))
    Console(width=110).print(table)


if __name__ == "__main__":
    sys.exit(main())
