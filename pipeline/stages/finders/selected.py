"""Selected: some attributes' directions of a finder."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.annotators.base import Annotator
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.stages.finders.finder import fitted_with, names_of, read_directions, write_directions


@dataclass(frozen=True)
class Selected(Stage):
    """The directions of some attributes, as a finder made them: others of it may be needed to make these, and not be wanted."""

    finder: Stage  # a supervised finder, or one that has another's directions disentangled
    attributes: tuple[str, ...]

    @property
    def fitted_with(self) -> tuple[Annotator, ...]:
        return fitted_with(self.finder)

    @property
    def names(self) -> tuple[str, ...]:
        named = zip(attributes_of(self.finder), names_of(self.finder), strict=True)
        return tuple(name for attribute, name in named if attribute in self.attributes)

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        rows, vectors = read_directions(store, (self.finder,))
        wanted = [row for row in rows if row["name"] in self.names]
        write_directions(out, self, {row["name"]: vectors[row["name"]] for row in wanted}, wanted)


def attributes_of(finder: Stage) -> tuple[str, ...]:
    """The attribute of each direction of a supervised finder, or of one that is made of its directions."""
    own = getattr(finder, "attributes", None)
    return own if own is not None else attributes_of(finder.finder)  # type: ignore[attr-defined]
