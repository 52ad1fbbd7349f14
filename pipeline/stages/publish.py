"""Catalog: everything found and measured, in one folder that explains itself. Same settings, same bytes."""

import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.catalog.card import card
from pipeline.engine.stage import Stage, in_order
from pipeline.engine.store import Store, describe
from pipeline.errors import UserError
from pipeline.formats.arrays import write_vectors
from pipeline.formats.hashes import sha256
from pipeline.formats.parquet import write_table
from pipeline.metrics.profiles import nearest, ranks
from pipeline.stages.finders.finder import Row, names_of, read_directions
from pipeline.stages.measures.calibrate import Calibrate
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.learning_curve import LearningCurve
from pipeline.stages.measures.locality import Locality
from pipeline.stages.measures.transfer import Transfer
from pipeline.stages.sources.source import Source
from schemas import catalog as schema
from schemas.columns import table_of
from schemas.directions import DIRECTIONS
from schemas.profiles import PROFILES


@dataclass(frozen=True)
class Catalog(Stage):
    """`catalog.json`, `directions.safetensors`, `README.md`, `SHA256SUMS`; tables of directions, effects, preservation, profiles.

    Where they were measured also `transfer.parquet`, `locality.parquet` and `learning_curve.parquet`.
    """

    version: ClassVar[int] = 4

    sample: Source  # what the directions were found in
    finders: tuple[Stage, ...]  # every direction that is published
    evaluations: tuple[Evaluate, ...]
    calibrations: tuple[Calibrate, ...] = ()  # of these evaluations
    transfers: tuple[Transfer, ...] = ()  # of image-specific directions
    localities: tuple[Locality, ...] = ()
    learning_curves: tuple[LearningCurve, ...] = ()

    @property
    def applied_to(self) -> Source:
        """How directions are meant to be applied: as their effects were measured, at the T that they were found at."""
        return self.evaluations[0].edit.sample

    @property
    def _more(self) -> dict[str, tuple[Stage, ...]]:
        """The tables that not every catalog has, by name, and the stages that make them."""
        tables: dict[str, tuple[Stage, ...]] = {
            "transfer.parquet": self.transfers,
            "locality.parquet": self.localities,
            "learning_curve.parquet": self.learning_curves,
        }
        return {name: stages for name, stages in tables.items() if stages}

    def check(self) -> None:
        if not self.evaluations:
            raise UserError("A catalog without an evaluation says nothing of its directions: expected at least one.")
        names = Counter(name for finder in self.finders for name in names_of(finder))
        if twice := [name for name, count in names.items() if count > 1]:
            raise UserError(f"Two finders of one catalog both make {', '.join(twice)}: publish one of them.")

    def part_bytes(self) -> int:
        n = sum(len(names_of(finder)) for finder in self.finders)
        return n * self.sample.steps * 4 * math.prod(self.sample.h_shape) + 1_000_000

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        rows, vectors = read_directions(store, self.finders)
        rows = [{**row, "cosines": cosines(row, rows, vectors)} for row in rows]
        profiles = self._profiles(store, rows, vectors)
        effects = self._together(store, "effects.parquet", self.evaluations)
        catalog = self._catalog(rows, profiles)

        (out / "catalog.json").write_text(catalog.model_dump_json(indent=2) + "\n")
        write_vectors(out / "directions.safetensors", vectors)
        write_table(out / "directions.parquet", table_of(rows, DIRECTIONS))
        write_table(out / "effects.parquet", effects)
        write_table(out / "preservation.parquet", self._together(store, "preservation.parquet", self.evaluations))
        write_table(out / "profiles.parquet", table_of(profiles, PROFILES))
        for name, stages in self._more.items():
            write_table(out / name, self._together(store, name, stages))
        (out / "README.md").write_text(
            card(catalog, effects.to_pandas(), self._controls(store, rows), list(self._more))
        )
        sums = [f"{sha256(path)}  {path.name}\n" for path in sorted(out.iterdir())]
        (out / "SHA256SUMS").write_text("".join(sums))

    @staticmethod
    def _together(store: Store, name: str, stages: tuple[Stage, ...]) -> pa.Table:
        return pa.concat_tables([store.table(each, name) for each in stages])

    def _controls(self, store: Store, rows: list[Row]) -> pd.DataFrame:
        """Effects of the random directions that the supervised ones were compared with."""
        supervised = {row["name"] for row in rows if row["attribute"] is not None}
        measured = [each for each in self.evaluations if supervised & set(each.edit.names)] or self.evaluations
        return pd.concat([of_controls(store, each, "effects.parquet") for each in measured])

    def _profiles(self, store: Store, rows: list[Row], vectors: dict[str, np.ndarray]) -> list[Row]:
        """Of the measured directions, each by the first that has it: unsupervised ones ranked, and compared."""
        published = {row["name"]: row["attribute"] for row in rows}
        measured = reversed(
            self._together(store, "profiles.parquet", (*self.calibrations, *self.evaluations)).to_pylist()
        )
        by_name = {row["direction"]: row for row in measured}
        profiles = [by_name[name] for name in published if name in by_name]
        supervised = {name: vectors[name] for name, attribute in published.items() if attribute is not None}
        unsupervised = [row for row in profiles if row["direction"] not in supervised]
        places = ranks(unsupervised)
        compared = {name: {"rank": rank, **nearest(vectors[name], supervised)} for name, rank in places.items()}
        return [row | compared.get(row["direction"], {}) for row in profiles]

    def _catalog(self, rows: list[Row], profiles: list[Row]) -> schema.Catalog:
        profiled = {row["direction"]: row for row in profiles}
        sample, model = self.applied_to, self.sample.model
        return schema.Catalog(
            model=schema.ModelCard(
                name=model.name,
                revision=model.revision,
                weights_sha256=model.weights,
                unet=json.loads(model.unet),
                scheduler=json.loads(model.scheduler),
                autoencoder=json.loads(model.autoencoder) if model.autoencoder else None,
                autoencoder_sha256=model.autoencoder_weights,
                condition_sha256=model.condition,
            ),
            sampling=schema.Sampling(
                steps=sample.steps,
                timesteps=sample.reverse_process.timesteps,
                eta=list(sample.eta) if isinstance(sample.eta, tuple) else sample.eta,
                clip=sample.clip,
                dtype=sample.dtype,
                seed=sample.seed,
                n=self.sample.n,
                found_in=self.sample.what,
            ),
            capture=sample.point,
            h_shape=sample.h_shape,
            directions=[_direction(row, profiled.get(row["name"], {})) for row in rows],
            evaluations=[
                schema.Evaluation(
                    judges=[judge.name for judge in each.judges],
                    allowed=[judge.name for judge in each.judges if judge.name in each.allowed],
                    strengths=list(each.edit.strengths),
                    n=each.edit.n,
                    seeds=each.edit.seeds,
                    controls=each.edit.controls,
                )
                for each in self.evaluations
            ],
            stages=[describe(stage, extents=True) for stage in in_order((self,))],
        )


def _direction(row: Row, profile: Row) -> schema.Direction:
    """What is known of a direction, and, where it was measured, what it does and how far it may be followed."""
    valid = [profile["valid_low"], profile["valid_high"]] if profile else None
    verified = bool(profile.get("verified")) if profile else None
    measured = {
        key: profile.get(key) for key in ("target", "label", "strength_per_sd", "strength_by", "strength_in_range")
    }
    found = {**row, "valid_range": valid, "verified": verified, **measured}
    return schema.Direction(**{key: found[key] for key in schema.Direction.model_fields})


def of_controls(store: Store, evaluate: Evaluate, name: str) -> pd.DataFrame:
    """Of a table, the rows of the random directions that an evaluation compares with: its own, and those of its control."""
    tables = [store.table(each, name).to_pandas() for each in (evaluate, evaluate.control) if each]
    return pd.concat([table[table["control"]] for table in tables], ignore_index=True)


def cosines(row: Row, rows: list[Row], vectors: dict[str, np.ndarray]) -> list[Row] | None:
    """Of a direction to the others of its attribute, as whole trajectories; None for an unsupervised direction."""
    if row["attribute"] is None:
        return None
    others = [other["name"] for other in rows if other["attribute"] == row["attribute"] and other is not row]
    return [{"direction": name, "cosine": _cosine(vectors[row["name"]], vectors[name])} for name in others]


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
