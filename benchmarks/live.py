"""From a slider to a picture: `python -m benchmarks.live [--quick] [CATALOG]`.

`python -m jobs.explore` runs in a process of its own, and a client moves the recommended directions of a catalog one after the
other on samples whose unedited pictures are there already, as a visitor does. It takes the time from sending a strength to the
first picture that counts as recognisable and to the finished ones, the median over moves, and the processor time of that process a
move, which what else runs changes little.

*Recognisable* is a claim about pictures: the judge says how much of the finished change of the target is there in what counts as
that, over all samples of a direction; the smallest over the directions. The catalog is the one that is given, of the bundled
portraits, or one that is made here.
"""

import base64
import http.client
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
import psutil
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks._report import verdict
from benchmarks.editing import JUDGE, SMALL
from pipeline.annotators.registry import annotator
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.domains.portraits.run import PORTRAITS
from pipeline.recipes.make import make
from schemas.run import Run

# Seconds, medians. The first is the project's own bar, "under 1 s from slider to picture on 2 cores"; the page shows 4 samples.
TARGETS = {
    "first_picture_of_4_samples": ("<=", 1.0),
    "finished_1_sample": ("<=", 1.0),
    "share_of_the_change_when_recognisable": (">=", 0.5),
}
STRENGTH = 1.5  # standard deviations
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Size:
    """How much is run."""

    seeds: int
    samples: tuple[int, ...]


FULL, QUICK = Size(6, (1, 4, 8)), Size(2, (1, 4))


@dataclass
class Move:
    """One slider moved."""

    first: float  # seconds
    finished: float
    processor: float
    unedited: np.ndarray  # (B, H, W, 3)
    recognisable: np.ndarray  # as it was first
    edited: np.ndarray


@dataclass
class Visitor:
    """Who asks for pictures."""

    port: int
    server: psutil.Process
    strengths: dict[str, float]  # by direction
    page: str = "visitor"
    unedited: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)

    def move(self, name: str, seed: int, n: int) -> Move:
        """Set one direction, with the unedited pictures there already."""
        if (seed, n) not in self.unedited:
            self.unedited[seed, n] = self._asked({}, seed, n)[-1][1]
        began, processor = time.perf_counter(), self._processor()
        seen = self._asked({name: self.strengths[name]}, seed, n)
        finished, processor = time.perf_counter() - began, self._processor() - processor
        first = next(each for each in seen if each[2])
        return Move(first[0] - began, finished, processor, self.unedited[seed, n], first[1], seen[-1][1])

    def _processor(self) -> float:
        times = self.server.cpu_times()
        return times.user + times.system

    def _asked(self, strengths: dict[str, float], seed: int, n: int) -> list[tuple[float, np.ndarray, bool]]:
        """When each picture of the edit came, what it was, and whether it counts as recognisable."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        wanted = {"page": self.page, "seed": seed, "samples": n, "strengths": strengths}
        connection.request("POST", "/live/pictures", json.dumps(wanted), {"Content-Type": "application/json"})
        seen = []
        for line in iter(connection.getresponse().readline, b""):
            event = json.loads(line)
            if event["kind"] == "failed":
                raise RuntimeError(event["said"])
            if event["kind"] == "pictures" and event["edited"] == bool(strengths):
                seen.append((time.perf_counter(), event["pictures"], event["recognisable"]))
        return [(when, _decoded(pictures), recognisable) for when, pictures, recognisable in seen]


def main() -> int:
    given = [each for each in sys.argv[1:] if not each.startswith("-")]
    size = QUICK if "--quick" in sys.argv[1:] else FULL
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    print(f"Load average at the start: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="hspace-") as folder:
        if given:
            catalog = DirectionCatalog.from_pretrained(given[0])
        else:
            small = {"samples": 512, "held_out": 8} if size is FULL else {"samples": 96, "top": 24, "held_out": 4}
            catalog = make(Run.model_validate(PORTRAITS.model_dump() | SMALL | small), folder)
        figures = measured(catalog, size)
    return verdict("live", figures, TARGETS)


def measured(catalog: DirectionCatalog, size: Size) -> dict[str, float]:
    """The figures, over all recommended directions that are calibrated."""
    found = {
        name: catalog[name].about.strength_by for name in catalog.recommended.values() if catalog[name].strength_per_sd
    }
    strengths = {name: -1.0 if by == "fall" else STRENGTH for name, by in found.items()}
    figures: dict[str, float] = {}
    table = Table("samples", "first picture, s", "finished, s", "processor, s", "moves", box=None, header_style="bold")
    every: dict[str, list[Move]] = {name: [] for name in strengths}
    with exploring(catalog.address) as (port, server):
        visitor = Visitor(port, server, strengths)
        for n in size.samples:
            moves = {name: [visitor.move(name, seed, n) for seed in range(size.seeds)] for name in strengths}
            flat = [move for each in moves.values() for move in each]
            first, finished, processor = (
                median(getattr(m, what) for m in flat) for what in ("first", "finished", "processor")
            )
            table.add_row(str(n), f"{first:.2f}", f"{finished:.2f}", f"{processor:.2f}", str(len(flat)))
            samples = f"{n}_sample{'s' if n > 1 else ''}"
            figures |= {f"first_picture_of_{samples}": round(first, 3), f"finished_{samples}": round(finished, 3)}
            figures[f"processor_{samples}"] = round(processor, 3)
            for name, those in moves.items():
                every[name] += those
    Console(width=110).print(table)
    figures["share_of_the_change_when_recognisable"] = round(min(shares(catalog, every).values()), 3)
    figures["load"] = round(os.getloadavg()[0], 1)
    return figures


@contextmanager
def exploring(catalog: str) -> Iterator[tuple[int, psutil.Process]]:
    """The explorer of a catalog inside the block: its port, and its process."""
    command = [sys.executable, "-u", "-m", "jobs.explore", catalog, "--port", "0", "--no-open"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            found = next(filter(None, (re.match(r"Explore: http://127.0.0.1:(\d+)/", line) for line in process.stdout)))
            yield int(found[1]), psutil.Process(process.pid)
        finally:
            process.terminate()


def shares(catalog: DirectionCatalog, moves: dict[str, list[Move]]) -> dict[str, float]:
    """How much of the finished change of its target the first recognisable pictures have, by direction and the judge."""
    judge = annotator(JUDGE)
    score, found = judge.load(), {}
    for name, those in moves.items():
        column = judge.attributes.index(str(catalog[name].about.target or catalog[name].attribute))
        scores = [
            score(np.concatenate([getattr(move, what) for move in those]))[:, column]
            for what in ("unedited", "recognisable", "edited")
        ]
        before, first, after = map(np.nanmean, scores)
        found[name] = float((first - before) / (after - before))
    return found


def _decoded(pictures: list[str]) -> np.ndarray:
    data = [base64.b64decode(each.partition(",")[2]) for each in pictures]
    return np.stack([np.asarray(Image.open(io.BytesIO(each)).convert("RGB")) for each in data])


if __name__ == "__main__":
    raise SystemExit(main())
