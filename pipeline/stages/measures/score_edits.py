"""ScoreEdits: what judges say of every edited image, and how much of its unedited counterpart is left in it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.annotators.base import Annotator, Scorer, gpus_of
from pipeline.annotators.regions import Mask, Masker, remembered
from pipeline.engine.stage import Need, Resources, Stage, one
from pipeline.engine.store import Store
from pipeline.formats.images import decode
from pipeline.formats.parquet import write_table
from pipeline.metrics import preservation
from pipeline.metrics.preservation import Manifold
from pipeline.stages.labels.embed import Embed
from pipeline.stages.measures.edit import Edit
from schemas.columns import table_of_frame
from schemas.scores import CHANGES, SCORES

REFERENCE = 1024  # unedited samples, at most, that say what the model's images look like
EDIT = ("direction", "control", "strength", "seed", "sample_id")


@dataclass(frozen=True)
class Loaded:
    """What a worker loads once."""

    judges: list[Scorer]
    embed: Callable[[np.ndarray], np.ndarray] | None
    head: Masker | None


@dataclass(frozen=True)
class ScoreEdits(Stage):
    """`scores.parquet`, a row a (image, judge, attribute); `changes.parquet`, a row an image. Part i reads part i of the edits."""

    version: ClassVar[int] = 2

    edit: Edit
    judges: tuple[Annotator, ...]
    embed: Embed | None = None  # of unedited samples; what identity and the manifold are measured by
    head: Mask | None = None  # what an edit may change; the rest of the image is background

    @property
    def n_parts(self) -> int:
        return self.edit.n_parts

    def needs(self, part: int) -> Iterator[Need]:
        for i in {*self.edit.counterparts_of(part), part}:
            yield one(self.edit, i)
        if self.embed:
            yield self.embed, self.embed.first_parts(REFERENCE)

    @property
    def resources(self) -> Resources:
        return Resources(gpus_of(*self.judges, self.embed and self.embed.embedder, self.head))

    def check(self) -> None:
        if self.head:
            self.head.check(*self.edit.sample.model.image_shape[1:])

    def setup(self) -> Loaded:
        embed = self.embed.embedder.embedder() if self.embed else None
        head = remembered(self.head.load()) if self.head else None
        return Loaded([judge.load() for judge in self.judges], embed, head)

    def process(self, part: int, store: Store, loaded: Loaded, out: Path) -> None:
        table = store.table(self.edit, "edits.parquet", part)
        edits, images = table.select(EDIT).to_pandas(), decode(table)
        write_table(out / "scores.parquet", table_of_frame(self._scores(edits, images, loaded), SCORES))
        write_table(out / "changes.parquet", table_of_frame(self._changes(part, edits, images, store, loaded), CHANGES))

    def _scores(self, edits: pd.DataFrame, images: np.ndarray, loaded: Loaded) -> pd.DataFrame:
        """In batches, a judge after the other."""
        step = self.edit.sample.batch
        tables = []
        for judge, score in zip(self.judges, loaded.judges, strict=True):
            values = np.concatenate([score(images[start : start + step]) for start in range(0, len(images), step)])
            wide = edits.join(pd.DataFrame(values, columns=list(judge.attributes)))
            tables.append(wide.melt(list(EDIT), var_name="attribute", value_name="score").assign(judge=judge.name))
        return pd.concat(tables, ignore_index=True)

    def _changes(
        self, part: int, edits: pd.DataFrame, images: np.ndarray, store: Store, loaded: Loaded
    ) -> pd.DataFrame:
        """Each image beside its unedited counterpart, and beside the model's other images."""
        ids, counterparts = self._counterparts(store, part, set(edits["sample_id"]))
        own = pd.Index(ids).get_indexer(edits["sample_id"])
        found = {
            "ms_ssim": preservation.ms_ssim(counterparts[own], images),
            "clipped": preservation.clipped(images),
        }
        if loaded.head:
            masks = loaded.head(counterparts)[own]
            found["change_outside"] = preservation.change_outside(counterparts[own], images, masks)
            found["background_shift"] = preservation.background_shift(counterparts[own], images, masks)
        if self.embed and loaded.embed:
            features = loaded.embed(images)
            found["identity"] = preservation.identity(loaded.embed(counterparts)[own], features)
            found["precision"] = (
                Manifold.of(self.embed.reference(store, REFERENCE)).contains(features).astype(np.float32)
            )
        return edits.assign(**{name: found.get(name) for name in CHANGES.names if name not in EDIT})

    def _counterparts(self, store: Store, part: int, wanted: set[int]) -> tuple[np.ndarray, np.ndarray]:
        """The unedited samples among these: sample_id (m,), images (m, H, W, 3)."""
        tables = pa.concat_tables([store.table(self.edit, "edits.parquet", i) for i in self.edit.counterparts_of(part)])
        ids = tables["sample_id"].to_numpy()
        there = np.isin(ids, list(wanted))
        return ids[there], decode(tables.filter(pa.array(there)))
