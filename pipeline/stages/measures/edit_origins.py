"""EditOrigins: edits of the very samples that directions were found on."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.engine.stage import Need, Stage, whole
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.stages.finders.finder import names_of, read_rows
from pipeline.stages.measures.edit import Edit, Row
from pipeline.stages.sources.source import Source
from schemas.edits import UNEDITED


@dataclass(frozen=True)
class EditOrigins(Edit):
    """Edits of the very sample that each direction was found on, by a singular vector of its Jacobian.

    All those samples, unedited, are in part 0.
    """

    sample: Source  # that the directions were found in
    n: int = 1

    @property
    def unedited_parts(self) -> range:
        return range(1)

    def counterparts_of(self, part: int) -> list[int]:
        return [0]

    def needs(self, part: int) -> Iterator[Need]:
        if part > 0:
            return super().needs(part)
        return whole(*self.finders)

    def check(self) -> None:
        if self.n != 1 or self.seeds != 1:
            raise UserError("A direction has one sample of its own.")
        self._check_strengths()

    @property
    def says_ids(self) -> tuple[Stage, ...]:
        return self.finders

    def _shares(self, part: int, store: Store) -> list[Row]:
        wanted = {place.name for place in self._places(part)} if part else set(self.names)
        found = read_rows(store, tuple(f for f in self.finders if wanted & set(names_of(f))))
        origins = {row["name"]: row["sample_id"] for row in found if row["name"] in wanted}
        if lost := [name for name, origin in origins.items() if origin is None]:
            raise UserError(f"{lost[0]} was found on no sample of its own: leave its finder out.")
        if part == 0:
            return [Row("unedited", UNEDITED, 0.0, 0, origin) for origin in sorted(set(origins.values()))]
        return [Row(name, index, strength, 0, origins[name]) for name, index, strength, _, _ in self._places(part)]
