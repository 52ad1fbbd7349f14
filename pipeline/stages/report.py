"""Report: one HTML page that shows what the directions of a catalog do. It opens from disk and asks for nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.annotators.regions import outline
from pipeline.catalog.report.findings import Findings, Measured
from pipeline.catalog.report.page import page
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.formats.images import png
from pipeline.stages.finders.finder import read_rows
from pipeline.stages.finders.jacobian_directions import JacobianDirections
from pipeline.stages.finders.jacobian_subspaces import images_of
from pipeline.stages.measures.edit import EditOrigins
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.publish import Catalog, of_controls
from schemas import catalog as schema

GALLERY = 32  # unedited samples shown
ENLARGED = 2  # times, an image in which a region is drawn
SHOWN = 6  # held-out samples of every edit shown


@dataclass(frozen=True)
class Report(Stage):
    """`report.html`: the catalog's directions, their edits and their effects."""

    version: ClassVar[int] = 7  # raised with every change of the markup

    catalog: Catalog

    def part_bytes(self) -> int:
        images = sum(len(each.edit.names) * len(each.edit.strengths) * SHOWN for each in self.catalog.evaluations)
        return images * 10_000 + 1_000_000

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        directions = read_rows(store, self.catalog.finders)
        findings = Findings(
            catalog=schema.Catalog.model_validate_json(store.text(self.catalog, "catalog.json")),
            folder=f"{self.catalog.folder}/{store.folder(self.catalog).name}",
            directions=directions,
            measured=[self._measured(store, each) for each in self.catalog.evaluations],
            samples=self._samples(store),
            transfer=self._read(store, "transfer.parquet"),
            locality=self._read(store, "locality.parquet"),
            learning_curve=self._read(store, "learning_curve.parquet"),
            profiles={row["direction"]: row for row in store.table(self.catalog, "profiles.parquet").to_pylist()},
            origins={key: png for each in self.catalog.transfers for key, png in self._origins(store, each.edit)},
        )
        (out / "report.html").write_text(page(findings), encoding="utf-8")

    def _read(self, store: Store, name: str) -> pd.DataFrame | None:
        """A table that not every catalog has."""
        return store.table(self.catalog, name).to_pandas() if store.holds(self.catalog, name) else None

    def _origins(self, store: Store, edit: EditOrigins) -> Iterator[tuple[tuple[str, float], bytes]]:
        """The sample that each direction was found on: edited, and unedited with the region outlined."""
        for finder in edit.finders:
            masks = finder.subspaces.masks(store) if isinstance(finder, JacobianDirections) else {}
            found_on = {row["name"]: row["sample_id"] for row in read_rows(store, (finder,))}
            for name, origin in found_on.items():
                sample = images_of(edit.sample, np.array([origin]), store)[0]
                yield (name, 0.0), png(outline(sample, masks[origin], ENLARGED))
        for name, strength, table in edit.edited(store):
            yield (name, strength), _pngs(table)[0]

    def _samples(self, store: Store) -> list[bytes]:
        """The first unedited samples, from as few parts as hold them."""
        sample = self.catalog.sample
        pngs: list[bytes] = []
        for part in range(sample.n_parts):
            if len(pngs) < GALLERY:
                pngs += _pngs(store.table(sample, "samples.parquet", part, columns=["image"]))
        return pngs[:GALLERY]

    def _measured(self, store: Store, evaluate: Evaluate) -> Measured:
        edit = evaluate.edit
        images = {("unedited", 0.0): _pngs(edit.unedited(store).slice(0, SHOWN))}
        for name, strength, table in edit.edited(store):
            if not table["control"][0].as_py():  # the page shows no pictures of the control
                images[name, strength] = _pngs(table.slice(0, SHOWN))
        effects = store.table(evaluate, "effects.parquet").to_pandas()
        controls = of_controls(store, evaluate, "effects.parquet")
        preserved = store.table(evaluate, "preservation.parquet").to_pandas()
        strengths = tuple(float(np.float32(strength)) for strength in edit.strengths)  # as the tables hold them
        return Measured(
            judges=tuple(judge.name for judge in evaluate.judges),
            strengths=strengths,
            n=edit.samples_each,
            seeds=edit.seeds,
            effects=effects[effects["judge"] == evaluate.judge.name],
            by_others=effects[effects["judge"] != evaluate.judge.name],
            controls=controls[controls["judge"] == evaluate.judge.name],
            preservation=pd.concat(
                [preserved[~preserved["control"]], of_controls(store, evaluate, "preservation.parquet")]
            ),
            images=images,
        )


def _pngs(table: pa.Table) -> list[bytes]:
    return [cell["bytes"] for cell in table["image"].to_pylist()]
