"""What the claims are measured with: a model, its samples and directions, and a judge; by default the bundled portraits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks._measured import JUDGE, make
from pipeline.annotators.base import Annotator
from pipeline.annotators.registry import annotator
from pipeline.domains import portraits
from pipeline.engine.pool import InProcess
from pipeline.engine.ray_pool import RayPool
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.hspace.capture import MID_BLOCK
from pipeline.hspace.edits import Edit as EditOfH
from pipeline.hspace.noise import NoiseStreams
from pipeline.models import pretrained
from pipeline.stages.finders.finder import read_directions
from pipeline.stages.finders.mean_difference import MeanDifference
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.measures.edit import Edit
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.score_edits import ScoreEdits
from pipeline.stages.sources.sample import Sample
from pipeline.stages.sources.sample_ids import HELD_OUT

ATTRIBUTES = ("smile", "glasses", "age", "gender", "yaw")
BATCH = 32


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


FULL = Size(896, 128, 16, 14, 100, 10, 32, 1200, 8)
QUICK = Size(96, 16, 3, 3, 3, 2, 2, 96, 1)


@dataclass(frozen=True)
class Claim:
    """One row of the table."""

    claim: str
    paper: str  # what it says, and where
    measured: str
    holds: bool


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
        return make(self.folder, list(goals), InProcess if self.size is QUICK else RayPool)

    @cached_property
    def loaded(self) -> pretrained.LoadedModel:
        return self.sample.load()

    @cached_property
    def judge(self) -> Callable[[np.ndarray], np.ndarray]:
        return self.judging.load()

    @cached_property
    def std(self) -> pd.Series:
        """Of each attribute over samples."""
        annotate = Annotate(self.sample, (self.judging,))
        return annotate.scores(self.made(annotate), self.judging.name).std(ddof=0)

    def scores(self, images: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(self.judge(images), columns=list(self.judging.attributes))

    def images(
        self,
        edit: Callable[[int], list[EditOfH]] | list[EditOfH] = [],  # noqa: B006
        ids: range | None = None,
        asyrp: bool = False,
    ) -> np.ndarray:
        """Held-out samples, edited."""
        ids = HELD_OUT[: self.size.few] if ids is None else ids
        process = self.sample.reverse_process
        edits = edit if isinstance(edit, list) else edit(len(ids))
        return self.loaded.to_images(
            process.run(self.sample.denoiser(self.loaded, ids), self.noise(ids), edits, asyrp=asyrp)
        )

    def noise(self, ids: range) -> NoiseStreams:
        return self.sample.noise(self.loaded, ids)

    @cached_property
    def unedited(self) -> np.ndarray:
        return self.images()

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
