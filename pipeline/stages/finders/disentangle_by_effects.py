"""DisentangleByEffects: project away only what each direction was measured to move beside its target, while that helps."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np
import pandas as pd

from pipeline.annotators.base import Annotator, Scorer, check_size
from pipeline.annotators.border import scorer
from pipeline.batches import batches
from pipeline.engine.stage import DERIVED, Need, Resources, Stage, whole
from pipeline.engine.store import Part, Store
from pipeline.errors import UserError
from pipeline.estimators.projection import By, project, search
from pipeline.formats.parquet import write_table
from pipeline.models.pretrained import LoadedModel
from pipeline.stages import reading
from pipeline.stages.finders.disentangle import projected_row
from pipeline.stages.finders.finder import Row, fitted_with, names_of, read_directions, write_directions
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.measures.edit import Row as Edited
from pipeline.stages.measures.edit import sample_edited
from pipeline.stages.measures.evaluate import standard_deviations
from pipeline.stages.sources.offsets import offsets
from pipeline.stages.sources.sample_ids import SEARCHED
from pipeline.stages.sources.source import Source
from schemas.columns import table_of
from schemas.directions import SEARCH, TRIALS


@dataclass(frozen=True)
class Searches(Stage):
    """`trials.parquet`: what was projected away from a direction, one after the other, and what that did. A part a direction.

    Effects are means over both signs of the strength, on samples that nothing else sees.
    """

    version: ClassVar[int] = 5

    finder: Stage  # a supervised finder
    sample: Source  # whose model, T and eta are used
    unedited: Annotate  # by the chooser: the unit of effects
    chooser: Annotator
    n: int  # samples
    strength: float
    by: By

    @property
    def n_parts(self) -> int:
        return len(names_of(self.finder))

    def part_work(self) -> int:
        return (
            self.n * 2 * len(self.chooser.attributes) * self.sample.steps
        )  # about a trial an attribute, to either side

    @property
    def resources(self) -> Resources:
        return Resources(gpus=1)

    def check(self) -> None:
        check_size(*self.sample.model.image_shape[1:], self.chooser)

    def setup(self) -> tuple[LoadedModel, Scorer]:
        return self.sample.load(), scorer(self.chooser)

    def process(self, part: int, store: Store, loaded: tuple[LoadedModel, Scorer], out: Path) -> None:
        rows, vectors = read_directions(store, (self.finder,))
        own = rows[part]
        std = standard_deviations(self.unedited, (self.chooser,), store)[self.chooser.name]
        unit = std.where(std > 0)[list(self.chooser.attributes)].to_numpy()

        def measure(v: np.ndarray) -> dict[str, float]:
            rising, falling = (self._scores(v, own["capture"], sign * self.strength, loaded) for sign in (1, -1))
            change = pd.DataFrame((rising - falling) / 2 / unit, columns=list(self.chooser.attributes)).mean()
            return {str(name): float(effect) for name, effect in change.dropna().items()}

        others = {row["attribute"]: vectors[row["name"]] for row in rows}
        _, trials = search(vectors[own["name"]], own["attribute"], others, measure, self.by)
        table = [
            {
                "direction": own["name"],
                "trial": i,
                "trials": len(trials),
                **{each: getattr(trial, each) for each in TRIALS.names},
            }
            for i, trial in enumerate(trials)
        ]
        write_table(out / "trials.parquet", table_of(table, SEARCH))

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        n = read["trials"][0].as_py() if len(read) else 1
        return reading.unlike(read, direction=[names_of(self.finder)[int(part)]] * n, trial=range(n))

    def _scores(self, v: np.ndarray, point: str, strength: float, loaded: tuple[LoadedModel, Scorer]) -> np.ndarray:
        """Return the scores (n, attributes) of the samples with an edit."""
        model, score = loaded
        rows = [Edited("v", 0, strength, 0, SEARCHED[i]) for i in range(self.n)]
        vectors = {"v": offsets(self.sample, v.astype(np.float32), point)}
        images = (sample_edited(self.sample, model, rows[some], vectors) for some in batches(self.n, self.sample.batch))
        return np.concatenate([score(each) for each in images])


@dataclass(frozen=True)
class DisentangleByEffects(Stage):
    """Each direction v_0 of a finder with those attributes projected away (Eq. 12) that it was measured to move off target.

    The one moved most first, then the next, until the ratio of on target to largest off target rises no more. Every trial is
    recorded. Who chooses may be the annotator that labelled the samples, but no judge of these directions: it looks at samples of
    this stage's own, so that what is published is neither by whom nor on what the directions were chosen.
    """

    version: ClassVar[int] = 3

    finder: Stage  # a supervised finder
    sample: Source
    unedited: Annotate  # by the chooser: the unit of effects
    chooser: Annotator  # whose scores say what a direction moves
    n: int = 8  # samples that trials are measured on
    strength: float = 1.0
    by: By = "joint"
    searches: Searches = field(init=False, repr=False, metadata=DERIVED)

    def __post_init__(self) -> None:
        searches = Searches(self.finder, self.sample, self.unedited, self.chooser, self.n, self.strength, self.by)
        object.__setattr__(self, "searches", searches)

    @property
    def fitted_with(self) -> tuple[Annotator, ...]:
        return tuple(dict.fromkeys((*fitted_with(self.finder), self.chooser)))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{name}/disentangled-by-effects" for name in names_of(self.finder))

    def needs(self, part: int) -> Iterator[Need]:
        return whole(self.finder, self.searches)

    def check(self) -> None:
        if self.by not in get_args(By):
            raise UserError(f"Projected {self.by!r}: expected joint or step.")
        if len(self.names) < 2:
            raise UserError("Disentangling needs at least two attributes: there is nothing to project away from one.")
        if self.n < 2 or self.strength <= 0:
            raise UserError(
                f"{self.n} samples at strength {self.strength}: expected at least 2, at a strength above 0."
            )
        if unknown := [name for name in getattr(self.finder, "attributes", ()) if name not in self.chooser.attributes]:
            raise UserError(
                f"{self.chooser.name!r} does not score {', '.join(unknown)}, so it cannot say what moves it.\n"
                f"It scores {', '.join(self.chooser.attributes)}: have another one choose, or leave the attribute out."
            )
        if self.chooser not in self.unedited.annotators:
            raise UserError(
                f"{self.chooser.name} has not scored the unedited samples, whose spread is the unit of its effects."
            )

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        rows, vectors = read_directions(store, (self.finder,))
        projected = [self._projected(i, rows, vectors, store) for i in range(len(rows))]
        write_directions(out, self, {row["name"]: v for row, v in projected}, [row for row, _ in projected])

    def _projected(
        self, i: int, rows: list[Row], vectors: dict[str, np.ndarray], store: Store
    ) -> tuple[Row, np.ndarray]:
        """One direction by its last accepted trial."""
        trials = reading.table(store, self.searches, "trials.parquet", i).select(TRIALS.names).to_pylist()
        wanted = [trial for trial in trials if trial["accepted"]][-1]["removed"]
        by_attribute = {row["attribute"]: row["name"] for row in rows}
        removed = [by_attribute[attribute] for attribute in wanted]
        v_0 = vectors[rows[i]["name"]]
        projection = project(v_0, np.stack([vectors[name] for name in removed]) if removed else v_0[None][:0], self.by)
        return projected_row(rows[i], self.names[i], removed, projection, self.by) | {"trials": trials}, (
            projection.v / projection.kept
        )
