"""What the pages are made from: a catalog, its directions, what was measured of them, and what is computed from that."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.catalog.explorer.groups import Group, Row, how_projected, point_in_words
from pipeline.catalog.explorer.measured import Edit, Measured, of_edit
from pipeline.catalog.field_figures import FieldFigures
from pipeline.metrics.best import reported
from pipeline.metrics.control import largest_control
from schemas.catalog import Catalog
from schemas.verified import VERIFIED


class Headline(NamedTuple):
    """The strength that a direction is shown at, and what it does there, in standard deviations."""

    strength: float
    on_target: float
    off_target: float


@dataclass(frozen=True)
class Findings:
    """A catalog, its directions, what was measured of them, and a few samples."""

    catalog: Catalog
    directions: list[Row]
    measured: list[Measured]
    samples: list[bytes]  # thumbnails
    transfer: pd.DataFrame | None = None  # of schemas.transfer
    locality: pd.DataFrame | None = None  # of schemas.locality
    learning_curve: pd.DataFrame | None = None  # of schemas.learning_curve
    carriage: pd.DataFrame | None = None  # of schemas.carriage
    choice: pd.DataFrame | None = None  # of schemas.choice
    cosines: pd.DataFrame | None = None  # of schemas.cosines
    figures: Mapping[str, FieldFigures] = field(default_factory=dict)  # by direction
    samplers: Mapping[str, Row] = field(default_factory=dict)  # of schemas.samplers, by direction
    best: pd.DataFrame | None = None  # of schemas.best
    verified: pd.DataFrame | None = None  # of schemas.verified
    confirmed: pd.DataFrame | None = None  # of schemas.confirmed
    recorded: bool = False  # whether the run stands in run.toml
    merged: bool = False  # whether provenance.parquet says where each direction came from
    profiles: dict[str, Row] = field(default_factory=dict)  # of schemas.profiles, by direction
    # Thumbnails of the sample that a direction was found on, with the region outlined where it is not edited:
    origins: dict[Edit, bytes] = field(default_factory=dict)

    @property
    def supervised(self) -> list[Row]:
        return [row for row in self.directions if row["attribute"]]

    def at(self, row: Row) -> str | None:
        """Where a direction is added, as pages name it beside the direction; None where all are added at one point."""
        return point_in_words(row["capture"]) if len(self.catalog.captures) > 1 else None

    @cached_property
    def where(self) -> dict[str, str | None]:
        """The same of every direction, by its name."""
        return {row["name"]: self.at(row) for row in self.directions}

    @property
    def components(self) -> list[Row]:
        return [row for row in self.directions if row["component"] is not None and row["mask"] is None]

    @property
    def jacobian(self) -> list[Row]:
        """Those found in single images."""
        return [row for row in self.directions if row["mask"] is not None]

    def by_rank(self, rows: list[Row]) -> list[Row]:
        """The most useful first; those that were not measured last."""
        last = len(self.profiles) + 1
        return sorted(rows, key=lambda row: (self.profiles.get(row["name"]) or {}).get("rank") or last)

    def transferred(self, edit: Edit, attribute: str) -> tuple[float, float]:
        """Return an edit's effect on the sample that its direction was found on, and the share of others that go the same way."""
        if self.transfer is None:
            return float("nan"), float("nan")
        of_it = of_edit(self.transfer, edit)
        rows = of_it[of_it["attribute"] == attribute]
        return (
            (float(rows["own"].iloc[0]), float(rows["same_way"].iloc[0])) if len(rows) else (float("nan"), float("nan"))
        )

    @property
    def ranked(self) -> list[Row]:
        """Profiles of the unsupervised directions, the most useful first."""
        return sorted((row for row in self.profiles.values() if row["rank"]), key=lambda row: row["rank"])

    @property
    def measured_in_full(self) -> list[Group]:
        """The disentangled groups that are measured on as many held-out samples as any."""
        groups = [group for group in self.groups if group.disentangled and len(group.best)] or self.groups[:1]
        n = [max(self.held_out(group), default=0) for group in groups]
        return [group for group, count in zip(groups, n, strict=True) if count == max(n, default=0)]

    @property
    def features(self) -> str | None:
        """What identity was measured by."""
        return next((each.embedder for each in self.catalog.evaluations if each.embedder), None)

    def preserved(self, edit: Edit) -> pd.Series | None:
        """The row of schemas.preservation of an edit."""
        measured = self.evaluation(edit[0])
        if measured is None:
            return None
        rows = of_edit(measured.preservation, edit)
        return rows.iloc[0] if len(rows) else None

    def lost(self, edit: Edit) -> bool:
        """Whether images of an edit were seen to leave the model's own."""
        row = self.preserved(edit)
        realistic = None if row is None else row.get("realistic")
        return realistic is not None and not realistic

    def of_target(self, table: pd.DataFrame | None, name: str) -> pd.DataFrame:
        """Return the rows of schemas.verified, or of schemas.confirmed, of a direction's target by the first judge."""
        measured, target = self.evaluation(name), (self.profiles.get(name) or {}).get("target")
        if table is None or measured is None:
            return pd.DataFrame(columns=VERIFIED.names)
        own = table[(table["direction"] == name) & (table["judge"] == measured.judges[0])]
        return own[(own["attribute"] == target) & own["effect"].notna()]

    def pale(self, edit: Edit) -> frozenset[int]:
        """Return which of `attributes` have an effect that is not significant."""
        own = of_edit(self.effects([edit[0]]), edit)
        not_significant = set(own.loc[own["significant"].eq(False), "attribute"])
        return frozenset(i for i, attribute in enumerate(self.attributes) if attribute in not_significant)

    @property
    def regions(self) -> list[str]:
        """Those that the change of images was measured in."""
        return [] if self.locality is None else list(self.locality["region"].unique())

    def local(self, edit: Edit, region: str) -> float:
        """Squared change per area, inside a region over outside."""
        if self.locality is None:
            return float("nan")
        of_it = of_edit(self.locality, edit)
        rows = of_it[of_it["region"] == region]
        return float(rows["ratio"].iloc[0]) if len(rows) else float("nan")

    @cached_property
    def attributes(self) -> list[str]:
        """What was judged: first what there are directions for, in their order, then the rest."""
        judged = [name for each in self.measured for name in each.effects["attribute"].unique()]
        wanted = [row["attribute"] for row in self.supervised]
        return list(dict.fromkeys([name for name in wanted if name in judged] + judged))

    def headline(self, name: str) -> Headline | None:
        """Of a supervised direction its best strength; of others that of its profile."""
        for group in self.groups:
            if name in group.best.index:
                best = group.best.loc[name]
                strength, towards = float(best["strength"]), 1 if best["strength"] > 0 else -1
                return Headline(strength, towards * float(best["on_target"]), float(best["off_target"]))
        profile = self.profiles.get(name, {})
        if name in self.without_strength:
            return None
        if profile.get("strength") is None or profile.get("on_target") is None:
            return None
        return Headline(profile["strength"], profile["on_target"], profile["off_target"])

    def evaluation(self, name: str) -> Measured | None:
        """The evaluation that measured a direction."""
        return next((each for each in self.measured if name in each.names), None)

    def evaluations(self, names: Iterable[str]) -> list[Measured]:
        """The evaluations that measured these directions."""
        return list({id(each): each for name in names if (each := self.evaluation(name))}.values())

    def held_out(self, group: Group) -> list[int]:
        """How many samples its directions were measured on, in each evaluation."""
        return sorted({each.n for each in self.evaluations(group.best.index)})

    def effects(self, names: list[str]) -> pd.DataFrame:
        """The effects of these directions, each from the evaluation that measured it."""
        parts = [each.effects[each.effects["direction"] == name] for name in names if (each := self.evaluation(name))]
        return (
            pd.concat(parts)
            if parts
            else pd.DataFrame(columns=["direction", "strength_index", "strength", "attribute", "effect", "control"])
        )

    def largest_control(self, names: Iterable[str]) -> pd.Series | None:
        """The largest effect, by attribute, of the random directions that these directions were compared with."""
        controls = [each.controls for each in self.evaluations(names) if len(each.controls)]
        return largest_control(pd.concat(controls)) if controls else None

    @cached_property
    def without_strength(self) -> frozenset[str]:
        """Directions that have no strength in their valid range among those that were measured."""
        if self.best is None:
            return frozenset()
        return frozenset(self.best.loc[self.best["strength_index"].isna(), "direction"])

    @cached_property
    def reported(self) -> pd.DataFrame:
        """What every supervised direction does at its best strength: of metrics.best.reported."""
        judged = {row["name"]: row["attribute"] for row in self.supervised if row["attribute"] in self.attributes}
        targets = {name: attribute for name, attribute in judged.items() if self.evaluation(name)}
        if not targets:
            columns = ["strength_index", "strength", "target", "on_target", "off_target", "ratio", "clean"]
            empty = pd.DataFrame(columns=[*columns, "n", "selection_n"])
            return empty.astype({"clean": bool, "on_target": float, "off_target": float, "ratio": float})
        found = reported(self.effects(list(targets)), targets, self.best)
        elsewhere = [each for each in self.attributes if each not in found]
        return found.reindex(columns=[*found, *elsewhere])

    @cached_property
    def candidates(self) -> pd.DataFrame:
        """Supervised directions as metrics.best.preferred takes them: their figures on the samples that chose.

        Those that no other samples chose have the figures that are reported.
        """
        in_order = sorted(self.supervised, key=lambda row: _by_name((row["method"], how_projected(row))))
        rows = {row["name"]: row for row in in_order}
        known = {} if self.best is None else self.best.set_index("direction").to_dict("index")
        found = {}
        for name, row in rows.items():
            measured, said, own = self.evaluation(name), known.get(name, {}), self.reported.index == name
            if measured is None or not (own.any() or said):
                continue
            about = {
                "target": row["attribute"],
                "projected": row["parents"] is not None,
                "n": measured.n,
                "usable": own.any(),
            }
            figures = ("clean", "on_target", "off_target")
            if pd.notna(said.get("selection_n")):
                found[name] = about | {each: said[f"selection_{each}"] for each in figures}
            elif own.any():
                found[name] = about | {each: self.reported.loc[name, each] for each in figures}
            else:
                found[name] = about | {"clean": False, "on_target": 0.0, "off_target": np.inf}
        columns = ["target", "projected", "n", "usable", "clean", "on_target", "off_target"]
        return pd.DataFrame.from_dict(found, orient="index", columns=columns).astype({"clean": bool, "usable": bool})

    @cached_property
    def groups(self) -> list[Group]:
        """Disentangled before entangled, then by what was measured on the samples that chose: the first is the one to use."""
        keys = dict.fromkeys((row["method"], how_projected(row)) for row in self.supervised)
        groups = [group for key in sorted(keys, key=_by_name) for group in self._groups(*key)]
        return sorted(groups, key=lambda group: group.place)

    def _groups(self, method: str, projected: str | None) -> list[Group]:
        rows = [row for row in self.supervised if (row["method"], how_projected(row)) == (method, projected)]
        if len({row["attribute"] for row in rows}) == len(rows):
            return [self._group(method, projected, rows)]
        points = dict.fromkeys(row["capture"] for row in rows)
        at_each = {point: [row for row in rows if row["capture"] == point] for point in points}
        named = at_each if len(points) > 1 else {None: rows}
        return [self._group(method, projected, own, point) for point, own in named.items()]

    def _group(self, method: str, projected: str | None, rows: list[Row], point: str | None = None) -> Group:
        names = [row["name"] for row in rows]
        best, chosen = (table[table.index.isin(names)] for table in (self.reported, self.candidates))
        return Group(method, projected, rows, best, chosen, point)


def _by_name(key: tuple[str, str | None]) -> tuple[bool, str, str]:
    """An order for what is measured to do exactly the same."""
    return key[0] != "ridge", key[0], key[1] or ""
