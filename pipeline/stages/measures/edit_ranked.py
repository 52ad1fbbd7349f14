"""EditRanked: edits of the unsupervised directions that profiles rank first, of samples that nothing else sees."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from pipeline.engine.stage import Need, Stage, whole
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.stages import reading
from pipeline.stages.finders.finder import fitted_with, names_of, read_directions
from pipeline.stages.finders.imported import Imported
from pipeline.stages.measures.edit import Edit, Row
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.profiles import Profiles
from pipeline.stages.measures.score_edits import ScoreEdits
from pipeline.stages.sources.offsets import Offsets, offsets
from pipeline.stages.sources.sample_ids import CONFIRMED

TOP = 5  # directions that are measured once more: those with the ranks from 1


@dataclass(frozen=True)
class EditRanked(Edit):
    """Edits at the strength that the profile of each direction describes it at, and at minus that, in the order of ranks.

    Which directions these are the profiles say, so that a direction is called after its rank until then.
    """

    ids: ClassVar[range] = CONFIRMED

    strengths: tuple[float, ...] = (1.0, -1.0)  # in strengths of the profiles
    n: int = 28
    profiles: Profiles | None = None  # that rank the directions of these finders, and of no others
    top: int = TOP

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Ranks, since directions are not known before."""
        unsupervised = sum(len(_unsupervised(finder)) for finder in self.finders)
        return tuple(f"rank {rank}" for rank in range(1, min(self.top, unsupervised) + 1))

    @property
    def says_ids(self) -> tuple[Stage, ...]:
        """Which directions are edited the profiles say."""
        return () if self.profiles is None else (self.profiles,)

    def needs(self, part: int) -> Iterator[Need]:
        if part not in self.unedited_parts:
            yield from whole(*self.says_ids, *self.finders)

    def check(self) -> None:
        if self.profiles is None or any(finder not in self.profiles.finders for finder in self.finders):
            raise UserError("Ranks are those of profiles: give the profiles of these directions.")
        if fitted := [finder for finder in self.finders if fitted_with(finder)]:
            raise UserError(f"{fitted[0].name} is fitted on labels, and has no rank: leave it out.")
        if not self.names:
            raise UserError("There is no unsupervised direction to measure once more: leave that out.")
        super().check()

    def ranked(self, store: Store) -> list[dict[str, Any]]:
        """Return the profiles of the directions that are edited, in the order of their ranks.

        Raises UserError where a direction of another finder is among them.
        """
        assert self.profiles
        known = {name for finder in self.finders for name in names_of(finder)}
        profiles = reading.table(store, self.profiles, "profiles.parquet").to_pylist()
        found = sorted((row for row in profiles if row["rank"] is not None), key=lambda row: row["rank"])
        if others := [row["direction"] for row in found[: len(self.names)] if row["direction"] not in known]:
            raise UserError(f"{others[0]} is ranked, too: give its finder to {self.name}.")
        return found[: len(self.names)]

    def _shares(self, part: int, store: Store) -> list[Row]:
        rows = super()._shares(part, store)
        if part in self.unedited_parts:
            return rows
        of = dict(zip(self.names, self.ranked(store), strict=True))
        return [
            row._replace(name=of[row.name]["direction"], strength=row.strength * (of[row.name]["strength"] or 1.0))
            for row in rows
        ]

    def _vectors(self, rows: Sequence[Row], store: Store) -> dict[str, Offsets]:
        used = {row.name for row in rows}
        finders = tuple(finder for finder in self.finders if used & set(names_of(finder)))
        found, vectors = read_directions(store, finders)
        return {
            row["name"]: offsets(self.sample, vectors[row["name"]], row["capture"])
            for row in found
            if row["name"] in used
        }


def _unsupervised(finder: Stage) -> list[str]:
    """The directions of a finder that are of no attribute."""
    if isinstance(finder, Imported):
        named = zip(finder.names, finder.about.directions, strict=True)
        return [name for name, each in named if each.attribute is None]
    return list(names_of(finder))


def ranked_first(profiles: Profiles, evaluations: tuple[Evaluate, ...], n: int) -> ScoreEdits | None:
    """Edits of n fresh samples along the directions of these evaluations that profiles rank first, scored as there.

    None where none of them is unsupervised.
    """
    finders = tuple(dict.fromkeys(finder for each in evaluations for finder in each.edit.finders))
    if not any(_unsupervised(finder) for finder in finders):
        return None
    scored = evaluations[0].scored
    purpose = "what is ranked first"
    edit = EditRanked(scored.edit.sample, finders, n=n, profiles=profiles, purpose=purpose)
    return ScoreEdits(edit, scored.judges, scored.embed, scored.foreground, purpose=purpose)
