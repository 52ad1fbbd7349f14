"""What the page is made from, and the figures that are computed from it: groups of directions and how clean their effects are."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from pipeline.effects import best_strengths, largest_control
from pipeline.report.markup import words
from schemas.catalog import Catalog

Row = dict[str, Any]  # of schemas.directions

LARGE = 1.0  # standard deviations: an effect that anyone can see


@dataclass(frozen=True)
class Measured:
    """One evaluation: effects of its directions and controls, and some of the edited images."""

    judges: tuple[str, ...]  # the first is the one that the page goes by
    strengths: tuple[float, ...]
    n: int  # held-out samples that the effects are means over, of all seeds
    seeds: int
    effects: pd.DataFrame  # of schemas.effects, by the first judge
    by_others: pd.DataFrame  # the same, by the other judges
    images: dict[
        tuple[str, float], list[bytes]
    ]  # (direction, strength) -> PNGs, one a held-out sample; ("unedited", 0.0)

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(self.effects.loc[~self.effects["control"], "direction"])


@dataclass(frozen=True)
class Group:
    """The supervised directions of one estimator, before or after disentangling."""

    method: str
    disentangled: bool
    rows: list[Row]
    best: pd.DataFrame  # of effects.best_strengths; a direction that was not measured has no row

    @property
    def title(self) -> str:
        return f"{self.method.replace('-', ' ').capitalize()}, {'disentangled' if self.disentangled else 'before disentangling'}"

    @property
    def clean(self) -> int:
        """Directions with an effect that is both clean and large."""
        return int((self.best["clean"] & (self.best["on_target"] >= LARGE)).sum())

    @property
    def ratio(self) -> float:
        """Mean over directions of on target / largest off target, at each one's best strength."""
        return _mean(self.best["ratio"])

    @property
    def on_target(self) -> float:
        return _mean(self.best["on_target"])

    @property
    def off_target(self) -> float:
        return _mean(self.best["off_target"])

    @property
    def largest_is_target(self) -> int:
        return int((self.best["on_target"] > self.best["off_target"]).sum())


@dataclass(frozen=True)
class Findings:
    """A catalog, its directions, what was measured of them, and a few samples."""

    catalog: Catalog
    folder: str  # of the catalog, in its store
    directions: list[Row]
    measured: list[Measured]
    samples: list[bytes]  # PNGs
    transfer: pd.DataFrame | None = None  # of schemas.transfer
    locality: pd.DataFrame | None = None  # of schemas.locality
    convergence: pd.DataFrame | None = None  # of schemas.convergence
    preservation: pd.DataFrame | None = None  # of schemas.preservation
    profiles: dict[str, Row] = field(default_factory=dict)  # of schemas.profiles, by direction
    origins: dict[tuple[str, float], bytes] = field(default_factory=dict)  # (direction, strength) -> PNG of the sample
    # that it was found on; at 0.0 unedited, with the region outlined

    @property
    def supervised(self) -> list[Row]:
        return [row for row in self.directions if row["attribute"]]

    @property
    def components(self) -> list[Row]:
        return [row for row in self.directions if row["component"] is not None and row["mask"] is None]

    @property
    def jacobian(self) -> list[Row]:
        """Those found in single images."""
        return [row for row in self.directions if row["mask"] is not None]

    def transferred(self, name: str, gamma: float, attribute: str) -> tuple[float, float]:
        """Of an edit: its effect on the sample that the direction was found on, and the share of others that go the same way."""
        if self.transfer is None:
            return float("nan"), float("nan")
        of_it = self.transfer[(self.transfer["direction"] == name) & (self.transfer["strength"] == gamma)]
        rows = of_it[of_it["attribute"] == attribute]
        return (
            (float(rows["own"].iloc[0]), float(rows["same_way"].iloc[0])) if len(rows) else (float("nan"), float("nan"))
        )

    @property
    def ranked(self) -> list[Row]:
        """Profiles of the unsupervised directions, the most useful first."""
        return sorted((row for row in self.profiles.values() if row["rank"]), key=lambda row: row["rank"])

    @property
    def recommended(self) -> list[Group]:
        """The groups that are measured best: disentangled, on as many held-out samples as any."""
        groups = [group for group in self.groups if group.disentangled and len(group.best)] or self.groups[:1]
        n = [max((each.n for name in g.best.index if (each := self.evaluation(name))), default=0) for g in groups]
        return [group for group, count in zip(groups, n, strict=True) if count == max(n, default=0)]

    @property
    def features(self) -> str | None:
        """What identity was measured by."""
        embedders = (stage["settings"].get("embedder") for stage in self.catalog.stages if stage["stage"] == "embed")
        return next((words(str(each["is"])) for each in embedders if each), None)

    def preserved(self, name: str, gamma: float) -> pd.Series | None:
        """The row of schemas.preservation of an edit."""
        if self.preservation is None:
            return None
        rows = self.preservation[(self.preservation["direction"] == name) & (self.preservation["strength"] == gamma)]
        return rows.iloc[0] if len(rows) else None

    def pale(self, name: str, gamma: float) -> frozenset[int]:
        """Of `attributes`, those whose effect does not stand clear of the control."""
        own = self.effects([name])
        own = own[own["strength"] == gamma]
        unclear = {a for a, clear in zip(own["attribute"], own["clear"], strict=True) if clear is False}
        return frozenset(i for i, attribute in enumerate(self.attributes) if attribute in unclear)

    @property
    def regions(self) -> list[str]:
        """Those that the change of images was measured in."""
        return [] if self.locality is None else list(self.locality["region"].unique())

    def local(self, name: str, gamma: float, region: str) -> float:
        """Squared change per area, inside a region over outside."""
        if self.locality is None:
            return float("nan")
        of_it = self.locality[(self.locality["direction"] == name) & (self.locality["strength"] == gamma)]
        rows = of_it[of_it["region"] == region]
        return float(rows["ratio"].iloc[0]) if len(rows) else float("nan")

    @cached_property
    def attributes(self) -> list[str]:
        """What was judged: first what there are directions for, in their order, then the rest."""
        judged = [name for each in self.measured for name in each.effects["attribute"].unique()]
        wanted = [row["attribute"] for row in self.supervised]
        return list(dict.fromkeys([name for name in wanted if name in judged] + judged))

    def evaluation(self, name: str) -> Measured | None:
        """The evaluation that measured a direction."""
        return next((each for each in self.measured if name in each.names), None)

    def effects(self, names: list[str]) -> pd.DataFrame:
        """The effects of these directions, each from the evaluation that measured it."""
        parts = [each.effects[each.effects["direction"] == name] for name in names if (each := self.evaluation(name))]
        return (
            pd.concat(parts)
            if parts
            else pd.DataFrame(columns=["direction", "strength", "attribute", "effect", "control"])
        )

    @property
    def largest_control(self) -> pd.Series | None:
        """The largest effect of the random directions, by attribute."""
        controls = [each.effects for each in self.measured if each.effects["control"].any()]
        return largest_control(pd.concat(controls)) if controls else None

    @cached_property
    def groups(self) -> list[Group]:
        """Disentangled before entangled, ridge classifiers before others: the first group is the one to use."""
        keys = dict.fromkeys((row["method"], row["parents"] is not None) for row in self.supervised)
        return [self._group(*key) for key in sorted(keys, key=lambda key: (not key[1], key[0] != "ridge", key[0]))]

    def _group(self, method: str, disentangled: bool) -> Group:
        rows = [row for row in self.supervised if (row["method"], row["parents"] is not None) == (method, disentangled)]
        judged = {row["name"]: row["attribute"] for row in rows if row["attribute"] in self.attributes}
        targets = {name: attribute for name, attribute in judged.items() if self.evaluation(name)}
        if targets:
            return Group(method, disentangled, rows, best_strengths(self.effects(list(targets)), targets))
        columns = ["strength", "target", "on_target", "off_target", "ratio", "clean"]
        return Group(method, disentangled, rows, pd.DataFrame(columns=columns).astype({"clean": bool}))

    def twin(self, group: Group) -> Group | None:
        """The same estimator on the other side of disentangling."""
        same = [other for other in self.groups if other.method == group.method and other is not group]
        return same[0] if same else None


def _mean(values: pd.Series) -> float:
    finite = values[np.isfinite(values.astype(float))]
    return float(finite.mean()) if len(finite) else float("nan")
