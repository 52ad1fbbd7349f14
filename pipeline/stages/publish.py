"""Catalog: everything found and measured, in one folder that explains itself. Same settings, same bytes."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from pipeline.catalog.card import card
from pipeline.catalog.direction_catalog import SUMS, DirectionCatalog
from pipeline.catalog.orientation import turned
from pipeline.catalog.recommended import RULE, recommended
from pipeline.engine.machines import so_far, told
from pipeline.engine.provenance import kind_of
from pipeline.engine.stage import Need, Stage, in_order, whole
from pipeline.engine.store import Store, describe
from pipeline.errors import UserError
from pipeline.fingerprint import hashed_where_set
from pipeline.formats.arrays import write_vectors
from pipeline.formats.hashes import sha256
from pipeline.formats.parquet import write_table
from pipeline.hspace.capture import singles
from pipeline.metrics.profiles import cosines_by_step
from pipeline.stages import reading
from pipeline.stages.finders.finder import Row, names_of, read_directions
from pipeline.stages.labels.familiarity import Familiarity
from pipeline.stages.measures.best_strengths import BestStrengths
from pipeline.stages.measures.carriage import Carriage
from pipeline.stages.measures.choose import Choose
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.learning_curve import LearningCurve
from pipeline.stages.measures.locality import Locality
from pipeline.stages.measures.profiles import Profiles
from pipeline.stages.measures.samplers import Samplers
from pipeline.stages.measures.transfer import Transfer
from pipeline.stages.sources.offsets import offsets
from pipeline.stages.sources.source import Source
from pipeline.stages.thumbnails import thumbnails
from schemas import catalog as schema
from schemas.columns import table_of
from schemas.cosines import COSINES
from schemas.directions import DIRECTIONS
from schemas.published import EVALUATION, VERSION, versioned


@dataclass(frozen=True)
class LeftOut:
    """What was asked for and cannot be had, and the numbers that say why."""

    what: Literal["attribute", "region"]
    name: str
    why: str


@dataclass(frozen=True)
class Catalog(Stage):
    """A catalog: the files that schemas.published lists."""

    version: ClassVar[int] = 13

    sample: Source  # what the directions were found in
    profiles: Profiles  # of every direction that is published, and how they were measured
    transfers: tuple[Transfer, ...] = ()  # of image-specific directions
    localities: tuple[Locality, ...] = ()
    learning_curves: tuple[LearningCurve, ...] = ()
    carriage: Carriage | None = None  # where attributes live, where that was asked
    choice: Choose | None = None  # of capture points, where they were chosen
    best: BestStrengths | None = None  # the strengths that figures are reported at; without it they choose themselves
    samplers: Samplers | None = None  # strengths where images are made by a sampler of the other kind
    left_out: tuple[LeftOut, ...] = ()  # of what was asked for
    notes: tuple[str, ...] = ()  # what is to be known of all of it
    familiarity: Familiarity | None = hashed_where_set()  # of who scores, with the images
    run: str = ""  # the settings that a person gave, as TOML
    called: tuple[str | None, ...] = field(
        init=False
    )  # the model, as it was named; the catalog says it, so it is hashed

    def __post_init__(self) -> None:
        model = self.sample.model
        object.__setattr__(self, "called", (model.name, model.revision, model.unet_folder, model.variant))

    @property
    def finders(self) -> tuple[Stage, ...]:
        """Every direction that is published."""
        return self.profiles.finders

    @property
    def evaluations(self) -> tuple[Evaluate, ...]:
        """How they were measured."""
        return self.profiles.evaluations

    @property
    def applied_to(self) -> Source:
        """How directions are meant to be applied: as their effects were measured, at the T that they were found at."""
        return self.evaluations[0].edit.sample

    def needs(self, part: int) -> Iterator[Need]:
        shown: list[Stage] = [each.edit for each in self.evaluations]
        for each in self.transfers:
            outlined = [stage for finder in each.edit.finders for stage in finder.inputs]
            shown += [each.edit, each.edit.sample, *each.edit.finders, *outlined]
        chosen_on = self.best.selections if self.best else ()
        fresh = filter(None, [self.profiles.confirmed])
        return whole(*dict.fromkeys((*self.inputs, *self.finders, *self.evaluations, *chosen_on, *fresh, *shown)))

    def check(self) -> None:
        if not self.evaluations:
            raise UserError("A catalog without an evaluation says nothing of its directions: expected at least one.")
        names = Counter(name for finder in self.finders for name in names_of(finder))
        if twice := [name for name, count in names.items() if count > 1]:
            raise UserError(f"Two finders of one catalog both make {', '.join(twice)}: publish one of them.")
        behind = [each.control for each in self.evaluations if each.control] + [
            each.evaluate for each in self.transfers
        ]
        if any(each not in self.evaluations for each in behind):
            raise UserError("A catalog publishes what its figures are compared with: give those evaluations, too.")
        if self.best and self.best.profiles != self.profiles:
            raise UserError("The best strengths are those of other profiles: give those of what is published.")

    def part_bytes(self) -> int:
        n = sum(len(names_of(finder)) for finder in self.finders)
        images = sum(len(each.edit.names) * len(each.edit.strengths) for each in self.evaluations) * 40_000
        return n * self.sample.steps * 4 * math.prod(self.sample.h_shape) + images + 1_000_000

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        rows, vectors = read_directions(store, self.finders)
        profiles = reading.table(store, self.profiles, "profiles.parquet")
        turn = frozenset(row["direction"] for row in profiles.to_pylist() if row["turned"])
        vectors = {name: -v if name in turn else v for name, v in vectors.items()}
        seen = (*self.familiarity.notes(store), *self.familiarity.agreements(store)) if self.familiarity else ()
        if self.run:
            (out / "run.toml").write_text(self.run, encoding="utf-8")
        write_vectors(out / "directions.safetensors", self._by_point(rows, vectors), VERSION)
        for name, table in self._tables(rows, vectors, profiles, store):
            write_table(out / name, versioned(turned(table, turn) if "direction" in table.schema.names else table))
        notes = (*seen, *told({*so_far(), kind_of(self)}))  # of the machines behind all that has been read
        catalog = self._catalog(rows, turned(profiles, turn).to_pylist(), notes, turn)
        found = recommended(_written(out, catalog))
        published = _written(out, catalog.model_copy(update={"recommended": found, "recommended_by": RULE}))
        (out / "README.md").write_text(card(published), encoding="utf-8")
        sums = [f"{sha256(path)}  {path.name}\n" for path in sorted(out.iterdir())]
        (out / SUMS).write_text("".join(sums))

    def _by_point(self, rows: list[Row], vectors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The vectors by name; those of several capture points at once by name and point."""
        found: dict[str, np.ndarray] = {}
        for row in rows:
            name, point = row["name"], row["capture"]
            several = len(singles(point)) > 1
            each = offsets(self.applied_to, vectors[name], point) if several else {}
            found |= {f"{name}@{at}": v.numpy() for at, v in each.items()} if several else {name: vectors[name]}
        return found

    def _tables(
        self, rows: list[Row], vectors: dict[str, np.ndarray], profiles: pa.Table, store: Store
    ) -> Iterator[tuple[str, pa.Table]]:
        """Every table by the name of its file."""
        yield "directions.parquet", table_of(rows, DIRECTIONS)
        yield "profiles.parquet", profiles
        for name in ("effects.parquet", "preservation.parquet"):
            yield name, pa.concat_tables(self._numbered(name, store))
        yield "cosines.parquet", table_of(cosines(rows, vectors), COSINES)
        yield "thumbnails.parquet", thumbnails(self.sample, self.evaluations, self.transfers, store)
        if self.best:
            yield "best.parquet", reading.table(store, self.best, "best.parquet")
            yield "selection.parquet", pa.concat_tables(self._selections(self.best, store))
        confirmed = self.profiles.confirmed
        more: dict[str, Sequence[Stage]] = {
            "verified.parquet": (self.profiles,) if self.profiles.verified_by else (),
            "confirmed.parquet": (confirmed,) if confirmed else (),
            "samplers.parquet": (self.samplers,) if self.samplers else (),
            "learning_curve.parquet": self.learning_curves,
            "transfer.parquet": self.transfers,
            "locality.parquet": self.localities,
            "carriage.parquet": (self.carriage,) if self.carriage else (),
            "choice.parquet": (self.choice,) if self.choice else (),
        }
        for name, stages in more.items():
            if stages:
                yield name, pa.concat_tables([reading.table(store, each, name) for each in stages])

    def _numbered(self, name: str, store: Store) -> Iterator[pa.Table]:
        """A table of each evaluation, with its index."""
        for index, each in enumerate(self.evaluations):
            yield _with_index(reading.table(store, each, name), index)

    def _selections(self, best: BestStrengths, store: Store) -> Iterator[pa.Table]:
        """Effects on selection samples, with the index of the evaluation whose strengths they choose."""
        for each in best.selections:
            reported_by = best.reported_by(each)
            assert reported_by
            yield _with_index(reading.table(store, each, "effects.parquet"), self.evaluations.index(reported_by))

    def _catalog(
        self, rows: list[Row], profiles: list[Row], seen: tuple[str, ...] = (), turn: frozenset[str] = frozenset()
    ) -> schema.Catalog:
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
                class_label=model.class_label,  # type: ignore[arg-type]
                unet_folder=model.unet_folder or "unet",
                variant=model.variant,
                notes=list(model.notes),
            ),
            sampling=schema.Sampling(
                steps=sample.steps,
                timesteps=sample.reverse_process.timesteps,
                eta=list(sample.eta) if isinstance(sample.eta, tuple) else sample.eta,
                clip=bool(sample.clip),
                dtype=sample.dtype,
                seed=sample.seed,
                n=self.sample.n,
                found_in=self.sample.what,
            ),
            captures=[
                schema.Capture(point=point, shape=list(sample.model.h_shape(point)))
                for point in dict.fromkeys(each for row in rows for each in singles(row["capture"]))
            ],
            directions=[_direction(row, profiled.get(row["name"], {})) for row in rows],
            evaluations=[self._evaluation(each, turn) for each in self.evaluations],
            left_out=[schema.LeftOut(what=each.what, name=each.name, why=each.why) for each in self.left_out],
            notes=[*self.notes, *seen],
            stages=[describe(stage, extents=True) for stage in in_order((self,))],
        )

    def _evaluation(self, evaluate: Evaluate, turn: frozenset[str]) -> schema.Evaluation:
        """How an evaluation measured. turn: the directions that are published the other way round than they were measured."""
        edit, scored = evaluate.edit, evaluate.scored
        return schema.Evaluation(
            judges=[judge.name for judge in evaluate.judges],
            allowed=[judge.name for judge in evaluate.judges if judge.name in evaluate.allowed],
            directions=[name for name in edit.names if name not in edit.random],
            strengths=None if edit.full or not turn.isdisjoint(edit.names) else list(edit.strengths),
            n=edit.n,
            seeds=edit.seeds,
            controls=len(edit.random),
            control=self.evaluations.index(evaluate.control) if evaluate.control else None,
            embedder=scored.embed.embedder.name if scored.embed else None,
            foreground=scored.foreground.name if scored.foreground else None,
        )


def _with_index(table: pa.Table, index: int) -> pa.Table:
    return table.add_column(0, EVALUATION, pa.array([index] * len(table), EVALUATION.type))


def _written(out: Path, catalog: schema.Catalog) -> DirectionCatalog:
    """The catalog in a folder, with what it says of itself."""
    (out / "catalog.json").write_text(catalog.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return DirectionCatalog(lambda name: (out / name).read_bytes(), frozenset(path.name for path in out.iterdir()))


def _direction(row: Row, profile: Row) -> schema.Direction:
    """What is known of a direction, and, where it was measured, what it does and how far it may be followed."""
    valid = [profile["valid_low"], profile["valid_high"]] if profile else None
    verified = bool(profile.get("verified")) if profile else None
    measured = {
        key: profile.get(key) for key in ("target", "label", "strength_per_sd", "strength_by", "strength_in_range")
    }
    found = {**row, "valid_range": valid, "verified": verified, **measured}
    return schema.Direction(**{key: found[key] for key in schema.Direction.model_fields})


def cosines(rows: list[Row], vectors: dict[str, np.ndarray]) -> Iterator[Row]:
    """Yield the rows of schemas.cosines: each supervised direction beside the others of its attribute at its capture point."""
    for row in rows:
        for other in rows if row["attribute"] is not None else ():
            if (other["attribute"], other["capture"]) == (row["attribute"], row["capture"]) and other is not row:
                cosine, _ = cosines_by_step(vectors[row["name"]], vectors[other["name"]])
                yield {"direction": row["name"], "other": other["name"], "cosine": cosine}
