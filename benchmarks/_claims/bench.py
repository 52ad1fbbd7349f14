"""What the claims are measured with: a model, its samples and directions, and a judge; by default the bundled portraits."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from queue import Queue
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks._claims.statistics import reaching
from benchmarks._measured import JUDGE, make
from pipeline.annotators.base import Annotator
from pipeline.annotators.registry import annotator
from pipeline.batches import batches
from pipeline.domains import portraits
from pipeline.engine.pool import InProcess, Pool
from pipeline.engine.ray_pool import RayPool
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.hspace.capture import MID_BLOCK
from pipeline.hspace.edits import Add
from pipeline.hspace.edits import Edit as EditOfH
from pipeline.hspace.noise import NoiseStreams
from pipeline.models import pretrained
from pipeline.models.pretrained import LoadedModel
from pipeline.stages.finders.finder import read_directions
from pipeline.stages.finders.mean_difference import MeanDifference
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.measures.edit import Edit
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.score_edits import ScoreEdits
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.sample_ids import HELD_OUT, MOST_HELD_OUT, SEEDS, SELECTED

ATTRIBUTES = ("smile", "glasses", "age", "gender", "yaw")
BATCH = 32
THREADS = 2  # that sample in this process
STRENGTHS = (0.15, 0.3, 0.5, 0.8, 1.2)  # among which those of one standard deviation are looked for


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    samples: int  # that directions are found in
    top: int  # positives, and as many negatives
    steps: int
    few: int  # held-out samples
    many: int  # held-out samples of a seed of Table I ...
    seeds: int  # ... and how many seeds
    pairs: int  # of samples whose h is swapped
    deterministic: int  # samples at eta = 0
    jacobians: int  # samples whose Jacobians are taken
    paired: int  # held-out samples that two edits are compared on
    selected: int  # samples that strengths are chosen on, and nothing is reported of
    draws: int  # of labelled examples


FULL = Size(896, 128, 16, 20, 40, 5, 64, 1200, 6, 80, 20, 4)
QUICK = Size(96, 16, 3, 4, 4, 2, 3, 96, 1, 6, 4, 2)


@dataclass(frozen=True)
class Claim:
    """One row of the table."""

    claim: str
    paper: str  # what it says, and where
    measured: str
    holds: bool
    why: str = ""  # of one that does not hold: the likely cause, what was tested of it, and what that showed
    figures: dict[str, float] = field(default_factory=dict)  # the same for machines


@dataclass(frozen=True)
class Bench:
    """The model, its samples and directions; stages for what takes long, and the model in this process for the rest.

    Attributes are those of both the annotator, whose scores directions are found by, and the judge, whose scores effects are of.
    """

    size: Size
    folder: Path
    model: str = str(portraits.MODEL)
    attributes: tuple[str, ...] = ATTRIBUTES
    labelled_by: str = "portraits"  # an annotator's name in `pipeline.annotators.registry`, or `module:object`
    judged_by: str = JUDGE  # another's
    point: str = MID_BLOCK  # where h is recorded and edited: one capture point
    open_pool: Callable[[], Pool] | None = None  # where stages run; None opens one for each goal

    @cached_property
    def sample(self) -> Sample:
        return Sample(pretrained.find(self.model), self.size.samples, self.size.steps, point=self.point)

    @cached_property
    def annotator(self) -> Annotator:
        return annotator(self.labelled_by)

    @cached_property
    def judging(self) -> Annotator:
        return annotator(self.judged_by)

    @cached_property
    def labels(self) -> Annotate:
        return Annotate(self.sample, (self.annotator,))

    @cached_property
    def difference(self) -> MeanDifference:
        return MeanDifference(self.labels, self.annotator.name, self.attributes, self.size.top)

    def measured(self, finders: Sequence[Stage], strengths: tuple[float, ...], n: int, seeds: int = 1) -> Evaluate:
        """The effects of all directions of these finders on held-out samples, by the judge."""
        scored = ScoreEdits(Edit(self.sample, tuple(finders), strengths, n, seeds), (self.judging,))
        return Evaluate(scored, Annotate(self.sample, (self.judging,)))

    @cached_property
    def directions(self) -> dict[str, torch.Tensor]:
        """(T, C, H, W) by attribute."""
        rows, vectors = read_directions(self.made(self.difference), (self.difference,))
        return {row["attribute"]: torch.from_numpy(vectors[row["name"]]) for row in rows}

    def made(self, *goals: Stage) -> Store:
        return make(self.folder, list(goals), self.open_pool or (InProcess if self.size is QUICK else RayPool))

    @cached_property
    def _workers(self) -> "Queue[LoadedModel]":
        """The model once a thread: a thread's hooks are its own."""
        workers: Queue[LoadedModel] = Queue()
        for _ in range(THREADS):
            workers.put(self.sample.load())
        return workers

    @cached_property
    def loaded(self) -> LoadedModel:
        return self.sample.load()

    def in_batches(
        self, draw: Callable[[LoadedModel, list[int]], np.ndarray], ids: Sequence[int], size: int = BATCH
    ) -> np.ndarray:
        """What `draw` makes of the model and of at most `size` ids at a time, in the order of the ids, on all cores alike."""

        def one(some: slice) -> np.ndarray:
            loaded = self._workers.get()
            try:
                return draw(loaded, list(ids[some]))
            finally:
                self._workers.put(loaded)

        rounds = -(-len(ids) // (THREADS * size))
        with ThreadPoolExecutor(THREADS, initializer=lambda: torch.set_num_threads(1)) as threads:
            return np.concatenate(list(threads.map(one, batches(len(ids), -(-len(ids) // (THREADS * rounds))))))

    @cached_property
    def judge(self) -> Callable[[np.ndarray], np.ndarray]:
        return self.judging.load()

    @cached_property
    def std(self) -> pd.Series:
        """Of each attribute over samples."""
        annotate = Annotate(self.sample, (self.judging,))
        return annotate.scores(self.made(annotate), self.judging.name).std(ddof=0)

    def scores(self, images: np.ndarray) -> pd.DataFrame:
        scored = [self.judge(images[some]) for some in batches(len(images), 8 * BATCH)]
        return pd.DataFrame(np.concatenate(scored), columns=list(self.judging.attributes))

    def images(
        self,
        edit: Callable[[int], Sequence[EditOfH]] | Sequence[EditOfH] = (),
        ids: Sequence[int] | None = None,
        asyrp: bool = False,
        eta: float | None = None,
    ) -> np.ndarray:
        """Held-out samples, or those of these ids, edited; at the eta of the samples, or another."""
        source = self.sample if eta is None else replace(self.sample, eta=eta)

        def draw(loaded: LoadedModel, some: list[int]) -> np.ndarray:
            edits = edit(len(some)) if callable(edit) else edit
            noise = source.noise(loaded, some)
            return loaded.to_images(
                source.reverse_process.run(source.denoiser(loaded, some), noise, edits, asyrp=asyrp)
            )

        return self.in_batches(draw, HELD_OUT[: self.size.few] if ids is None else ids)

    @cached_property
    def _kept(self) -> dict[tuple, Any]:
        """What several claims ask for."""
        return {}

    def before(self, ids: Sequence[int], eta: float | None = None) -> np.ndarray:
        """The same, unedited; kept."""
        key = ("before", tuple(ids), self.sample.eta if eta is None else eta)
        if key not in self._kept:
            self._kept[key] = self.images(ids=ids, eta=eta)
        return self._kept[key]

    def changes(self, images: np.ndarray, ids: Sequence[int], eta: float | None = None) -> pd.DataFrame:
        """Change of every attribute in each of these samples, in standard deviations."""
        return (self.scores(images) - self.scores(self.before(ids, eta))) / self.std

    def strength(self, name: str, eta: float | None = None) -> float:
        """The strength at which a direction moves its attribute by about one standard deviation, of selection samples."""
        key = ("strength", name, self.sample.eta if eta is None else eta)
        if key not in self._kept:
            ids, v = SELECTED[: self.size.selected], self.directions[name]
            effects = [
                self.changes(self.images([Add(v, each)], ids, eta=eta), ids, eta)[name].mean() for each in STRENGTHS
            ]
            self._kept[key] = reaching(1.0, np.array(STRENGTHS), np.array(effects))
        return self._kept[key]

    def room(self, scores: pd.Series) -> np.ndarray:
        """Which unedited samples do not show an attribute: those below the judge's threshold, or below the median without one."""
        threshold = self.judging.thresholds[self.judging.attributes.index(str(scores.name))]
        return (scores < (scores.median() if np.isnan(threshold) else threshold)).to_numpy()

    @property
    def away(self) -> range:
        """Held-out samples that no seed of Table I has, for what is compared sample by sample."""
        return HELD_OUT[MOST_HELD_OUT * (SEEDS - 1) :][: self.size.paired]

    def noise(self, ids: range) -> NoiseStreams:
        return self.sample.noise(self.loaded, ids)

    @cached_property
    def unedited(self) -> np.ndarray:
        return self.before(HELD_OUT[: self.size.few])

    def effects(self, images: np.ndarray, unedited: np.ndarray | None = None) -> pd.Series:
        """Mean change of every attribute from the unedited samples: the held-out ones, unless others are given."""
        before = self.unedited if unedited is None else unedited
        return (self.scores(images) - self.scores(before)).mean() / self.std

    def effect(self, images: np.ndarray, attribute: str) -> float:
        return float(self.effects(images)[attribute])

    @property
    def drawn(self) -> str:
        """How many samples are edited, and of which seed, in words."""
        return f"{self.size.few} held-out samples, seed {self.sample.seed}"
