"""A catalog's folder whose every figure is planted: what tests read that need files. No flow is run. Imported by name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.catalog.card import card
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.formats.arrays import write_vectors
from pipeline.formats.parquet import write_table
from schemas.best import BEST
from schemas.catalog import Capture, Catalog, Evaluation, ModelCard, Sampling
from schemas.columns import table_of, table_of_frame
from schemas.cosines import COSINES
from schemas.directions import DIRECTIONS
from schemas.profiles import PROFILES
from schemas.published import TABLES
from schemas.thumbnails import THUMBNAILS
from tests.pipeline.catalog.planted_findings import T, catalog_of, component, jpeg, profile, single, supervised

SHAPE = (8, 2, 2)
STRENGTHS = (-2.0, -1.0, 1.0, 2.0)
Effect = Callable[[dict, float, str], float]


def smooth(row: dict, gamma: float, attribute: str) -> float:
    """On target 1.2 a unit of strength, a component's on age 0.7; anything else 0.1."""
    if row["attribute"] is None:
        return 0.7 * gamma if attribute == "age" else 0.05 * gamma
    return gamma * (1.2 if attribute == row["attribute"] else 0.1)


def drawn(name: str, seed: int = 0) -> np.ndarray:
    """A direction (T, 8, 2, 2) that belongs to its name."""
    key = int.from_bytes(hashlib.sha256(f"{name} {seed}".encode()).digest()[:4])
    return np.random.default_rng(key).normal(size=(T, *SHAPE)).astype(np.float32)


def turned(v: np.ndarray, cosine: float, seed: int = 1) -> np.ndarray:
    """A direction that at every step has this cosine to v."""
    flat = v.reshape(len(v), -1).astype(np.float64)
    other = np.random.default_rng(seed).normal(size=flat.shape)
    other -= (other * flat).sum(1, keepdims=True) / (flat**2).sum(1, keepdims=True) * flat
    other *= np.linalg.norm(flat, axis=1, keepdims=True) / np.linalg.norm(other, axis=1, keepdims=True)
    return (cosine * flat + np.sqrt(1 - cosine**2) * other).reshape(v.shape).astype(np.float32)


@dataclass(frozen=True)
class PlantedCatalog:
    """What stands in the folder that `write` writes."""

    rows: Sequence[dict]
    vectors: dict[str, np.ndarray]
    effect: Effect = smooth
    judged: Sequence[str] = ("skin", "age", "smile")
    strengths: Sequence[float] = STRENGTHS
    std: float = 0.4
    n: int = 28
    judge: str = "judge"
    control: float = 0.1
    limit: float = 0.35
    model: dict = field(default_factory=dict)  # what differs in its card
    sampling: dict = field(default_factory=dict)
    captures: Sequence[tuple[str, Sequence[int]]] = (("mid_block", SHAPE),)
    known: dict = field(default_factory=dict)  # more of catalog.json
    best: Sequence[dict] | None = None  # the strengths that were chosen
    sure: float | None = None  # by how much effects may be off, and by which share ratios; None is not known

    def but(self, **known: object) -> PlantedCatalog:
        return replace(self, **known)

    def write(self, folder: Path) -> Path:
        """Write it, as it is published."""
        folder.mkdir(parents=True)
        write_vectors(folder / "directions.safetensors", self.vectors)
        for name, table in self._tables().items():
            write_table(folder / name, table)
        (folder / "catalog.json").write_text(self._about().model_dump_json(indent=2))
        files = frozenset(path.name for path in folder.iterdir())
        published = DirectionCatalog(lambda name: (folder / name).read_bytes(), files)
        (folder / "README.md").write_text(card(published))
        sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(folder.iterdir())]
        (folder / "SHA256SUMS").write_text("".join(sums))
        return folder

    def _about(self) -> Catalog:
        unet = {"in_channels": 3, "sample_size": 16}
        card = {"name": "a model", "revision": None, "weights_sha256": "ab" * 32, "unet": unet, "scheduler": {}}
        timesteps = np.linspace(999, 49, T).astype(int).tolist()
        sampling = {"steps": T, "timesteps": timesteps, "eta": 1.0, "clip": False, "seed": 0, "n": 50}
        names = [row["name"] for row in self.rows]
        evaluation = Evaluation(
            judges=[self.judge], directions=names, strengths=list(self.strengths), n=self.n, controls=1
        )
        about = {
            "model": ModelCard(**card | self.model),
            "sampling": Sampling(**sampling | self.sampling),
            "captures": [Capture(point=point, shape=list(shape)) for point, shape in self.captures],
            "evaluations": [evaluation],
        }
        return catalog_of(list(self.rows), **about | self.known)

    def _tables(self) -> dict[str, pa.Table]:
        pictures = [{"of": "sample", "sample_id": i, "image": {"bytes": jpeg(i), "path": None}} for i in range(2)]
        edited = {"of": "held-out", "evaluation": 0, "direction": "unedited", "strength_index": -1, "sample_id": 60}
        pictures.append({**edited, "image": {"bytes": jpeg(9), "path": None}})
        profiles = [profile(row, i if row["attribute"] is None else None) for i, row in enumerate(self.rows, 1)]
        at = {"strength": max(self.strengths), "valid_low": min(self.strengths), "valid_high": max(self.strengths)}
        names = [row["name"] for row in self.rows]
        near = [{"direction": names[0], "other": names[-1], "cosine": 0.5}] if len(names) > 1 else []
        return {
            "directions.parquet": table_of(self.rows, DIRECTIONS),
            "effects.parquet": table_of_frame(self._effects(), TABLES["effects.parquet"]),
            "preservation.parquet": table_of_frame(self._preservation(), TABLES["preservation.parquet"]),
            "profiles.parquet": table_of([{**row, **at, "judge": self.judge} for row in profiles], PROFILES),
            "cosines.parquet": table_of(near, COSINES),
            "thumbnails.parquet": table_of(pictures, THUMBNAILS),
            **({"best.parquet": table_of(self.best, BEST)} if self.best else {}),
        }

    def _edits(self) -> list[tuple[dict | None, int, float]]:
        """What was edited by what: None is a random direction."""
        rising = sorted(self.strengths)
        return [(row, i, gamma) for row in [*self.rows, None] for i, gamma in enumerate(rising)]

    def _effects(self) -> pd.DataFrame:
        table = [
            {
                "direction": "random-0" if row is None else row["name"],
                "control": row is None,
                "strength_index": i,
                "strength": gamma,
                "attribute": attribute,
                "effect": self.control if row is None else self.effect(row, gamma, attribute),
            }
            for row, i, gamma in self._edits()
            for attribute in self.judged
        ]
        frame = pd.DataFrame(table)
        significant = (frame["effect"].abs() > self.limit).astype(object).where(~frame["control"], None)
        more = {"evaluation": 0, "judge": self.judge, "std": self.std, "n": self.n, "control_limit": self.limit}
        frame = frame.assign(**more, raw=2 * frame["effect"], significant=significant)
        if self.sure is None:
            return frame
        size = frame["effect"].abs()
        others = [
            size[
                (frame["direction"] == row.direction)
                & (frame["strength_index"] == row.strength_index)
                & (frame["attribute"] != row.attribute)
            ].max()
            for row in frame.itertuples()
        ]
        ends = {"effect_low": frame["effect"] - self.sure, "effect_high": frame["effect"] + self.sure}
        ratio = size / others
        return frame.assign(**ends, ratio_low=ratio * (1 - self.sure), ratio_high=ratio * (1 + self.sure))

    def _preservation(self) -> pd.DataFrame:
        table = [
            ("random-0" if row is None else row["name"], row is None, i, gamma, 1 - 0.05 * abs(gamma))
            for row, i, gamma in self._edits()
        ]
        table.append(("unedited", False, -1, 0.0, 1.0))
        columns = ["direction", "control", "strength_index", "strength", "ms_ssim"]
        return pd.DataFrame(table, columns=columns).assign(evaluation=0, n=self.n, realistic=True)


def standard(**known: object) -> PlantedCatalog:
    """Two attributes by two finders, one of them disentangled too; three components; one direction of a single image."""
    rows = [supervised(name, method) for name in ("smile", "age") for method in ("mean-difference", "ridge")]
    rows += [supervised(name, "ridge", True, projected_by="joint") for name in ("smile", "age")]
    rows += [component(j) for j in range(3)] + [single("mouth", 0)]
    return PlantedCatalog(rows, {row["name"]: drawn(row["name"]) for row in rows}).but(**known)
