"""ScoreEdits: what judges say of every edited image, and how much of its unedited counterpart is left in it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.annotators.base import Annotator, Scorer, check_size, gpus_of, presence_of
from pipeline.annotators.border import embedding, masker, scorer
from pipeline.annotators.regions import Mask, Masker, remembered
from pipeline.batches import batches
from pipeline.engine.stage import Need, Resources, Stage, one, whole
from pipeline.engine.store import Part, Store
from pipeline.formats.images import decode
from pipeline.formats.parquet import write_table
from pipeline.metrics.preservation import MEASURES, Manifold, Pairs
from pipeline.metrics.template import of_images
from pipeline.stages import reading
from pipeline.stages.labels.embed import Embed
from pipeline.stages.measures.edit import Edit
from schemas.columns import table_of_frame
from schemas.edits import EDIT, SAMPLE
from schemas.scores import CHANGES, SCORES

REFERENCE = 1024  # unedited samples, at most, that say what the model's images look like
WHICH = [field.name for field in (*EDIT, *SAMPLE)]  # which image a row is of


@dataclass(frozen=True)
class Loaded:
    """What a worker loads once."""

    judges: list[Scorer]
    embed: Callable[[np.ndarray], np.ndarray] | None
    foreground: Masker | None


@dataclass(frozen=True)
class ScoreEdits(Stage):
    """`scores.parquet`, a row a (image, judge, attribute); `changes.parquet`, a row an image. Part i reads part i of the edits."""

    version: ClassVar[int] = 5

    edit: Edit
    judges: tuple[Annotator, ...]
    embed: Embed | None = None  # of unedited samples; what identity and the manifold are measured by
    foreground: Mask | None = None  # what an edit may change; the rest of the image is background

    @property
    def n_parts(self) -> int:
        return self.edit.n_parts

    def needs(self, part: int) -> Iterator[Need]:
        for i in {*self.edit.counterparts_of(part), part}:
            yield one(self.edit, i)
        yield from whole(*self.edit.says_ids)
        if self.embed:
            yield self.embed, self.embed.first_parts(REFERENCE)

    @property
    def resources(self) -> Resources:
        return Resources(gpus_of(*self.judges, self.embed and self.embed.embedder, self.foreground))

    def check(self) -> None:
        size = self.edit.sample.model.image_shape[1:]
        check_size(*size, *self.judges, self.foreground, self.embed and self.embed.embedder)

    def setup(self) -> Loaded:
        embed = embedding(self.embed.embedder) if self.embed else None
        foreground = remembered(masker(self.foreground)) if self.foreground else None
        return Loaded([scorer(judge) for judge in self.judges], embed, foreground)

    def process(self, part: int, store: Store, loaded: Loaded, out: Path) -> None:
        table = reading.table(store, self.edit, "edits.parquet", part)
        rows, images = table.select(WHICH).to_pandas(), decode(table)
        by_judge = [self._scores(judge, score, images) for judge, score in zip(self.judges, loaded.judges, strict=True)]
        scores = pd.concat([self._attributes(rows, *each) for each in zip(self.judges, by_judge, strict=True)])
        pairs = self._pairs(part, rows, images, self._shown(by_judge), store, loaded)
        edits = rows.groupby([field.name for field in EDIT], sort=False).ngroup().to_numpy()
        measures = {name: measure(pairs) for name, measure in MEASURES.items()}
        changes = rows.assign(**measures, **of_images(pairs, edits))
        write_table(out / "scores.parquet", table_of_frame(scores, SCORES))
        write_table(out / "changes.parquet", table_of_frame(changes, CHANGES))

    def fault(self, file: str, part: Part, read: Any, store: Store) -> str | None:
        keys = self.edit.keys(int(part), store)
        if file == "changes.parquet":
            return reading.unlike(read, **keys)
        n, read_off = len(keys["sample_id"]), readings(self.judges)
        return reading.unlike(
            read,
            **{column: values * len(read_off) for column, values in keys.items()},
            judge=[judge for judge, _ in read_off for _ in range(n)],
            attribute=[attribute for _, attribute in read_off for _ in range(n)],
        )

    def _scores(self, judge: Annotator, score: Scorer, images: np.ndarray) -> pd.DataFrame:
        """A row an image, a column an attribute."""
        values = [score(images[some]) for some in batches(len(images), self.edit.sample.batch)]
        return pd.DataFrame(np.concatenate(values), columns=list(judge.attributes))

    @staticmethod
    def _attributes(rows: pd.DataFrame, judge: Annotator, scores: pd.DataFrame) -> pd.DataFrame:
        """The scores in the long form, without the one that says whether there is anything to score."""
        wide = rows.join(scores.drop(columns=presence_of(judge) or []))
        return wide.melt(WHICH, var_name="attribute", value_name="score").assign(judge=judge.name)

    def _shown(self, by_judge: list[pd.DataFrame]) -> np.ndarray | None:
        """How likely each image shows what the model is of, by the first judge that looks for it."""
        looking = ((presence_of(judge), scores) for judge, scores in zip(self.judges, by_judge, strict=True))
        return next((scores[presence].to_numpy() for presence, scores in looking if presence), None)

    def _pairs(
        self, part: int, rows: pd.DataFrame, images: np.ndarray, shown: np.ndarray | None, store: Store, loaded: Loaded
    ) -> Pairs:
        """Each image beside its unedited counterpart, and beside the model's other images."""
        ids, counterparts = self._counterparts(store, part, set(rows["sample_id"]))
        own = pd.Index(ids).get_indexer(rows["sample_id"])
        foreground = loaded.foreground(counterparts)[own] if loaded.foreground else None
        if self.embed is None or loaded.embed is None:
            return Pairs(counterparts[own], images, foreground, shown=shown)
        features = loaded.embed(counterparts)[own], loaded.embed(images)
        manifold = Manifold.of(self.embed.reference(store, REFERENCE))
        return Pairs(counterparts[own], images, foreground, features, manifold, shown)

    def _counterparts(self, store: Store, part: int, wanted: set[int]) -> tuple[np.ndarray, np.ndarray]:
        """The unedited samples among these: sample_id (m,), images (m, H, W, 3)."""
        tables = pa.concat_tables(
            [reading.table(store, self.edit, "edits.parquet", i) for i in self.edit.counterparts_of(part)]
        )
        ids = tables["sample_id"].to_numpy()
        there = np.isin(ids, list(wanted))
        return ids[there], decode(tables.filter(pa.array(there)))


def readings(judges: Iterable[Annotator]) -> list[tuple[str, str]]:
    """What judges say of an image: judge and attribute, without what says whether there is anything to score."""
    return [(judge.name, name) for judge in judges for name in judge.attributes if name != presence_of(judge)]
