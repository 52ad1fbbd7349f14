"""Where directions are looked for: at the capture points that a run names, or at those that are chosen for each attribute."""

from typing import NamedTuple

from pipeline.errors import UserError
from pipeline.hspace.capture import MID_BLOCK, canonical, singles
from pipeline.models.pretrained import Model
from schemas.run import Run

AUTO = "auto"


class Place(NamedTuple):
    """A capture point, and the attributes that directions are found for there."""

    point: str
    attributes: tuple[str, ...]
    beside: tuple[str, ...] = ()  # others that are carried there, whose directions are projected away (Eq. 12)

    def of(self, attributes: tuple[str, ...], among: tuple[str, ...]) -> "Place":
        """The same place for some attributes, with all others of it that are left beside them."""
        others = tuple(name for name in (*self.attributes, *self.beside) if name not in attributes and name in among)
        return Place(self.point, attributes, others)

    @property
    def fitted(self) -> frozenset[str]:
        """The attributes that directions are fitted for there."""
        return frozenset((*self.attributes, *self.beside))


def is_chosen(run: Run) -> bool:
    """Whether the capture points are chosen by what is measured. Raises UserError where points are named beside that."""
    if AUTO in run.capture and len(run.capture) > 1:
        raise UserError(f"`capture` is {', '.join(run.capture)}: expected points, or {AUTO} alone, which chooses them.")
    return run.capture == (AUTO,)


def named(run: Run, attributes: tuple[str, ...]) -> tuple[Place, ...]:
    """The points that a run names, each for all attributes."""
    points = tuple(map(canonical, run.capture))
    if not points or len(set(points)) < len(points):
        raise UserError(f"`capture` is {', '.join(run.capture) or 'empty'}: expected at least one point, each once.")
    return tuple(Place(point, attributes) for point in points)


def candidates(model: Model) -> tuple[str, ...]:
    """Where attributes may live, in the order of a pass: at the mid block, where there is one, and at every block after it."""
    offered = [each.name for each in model.points()]
    return tuple(
        name for name in offered if name == MID_BLOCK or (name.startswith("up_blocks.") and name.count(".") == 1)
    )


def unsupervised(places: tuple[Place, ...]) -> str:
    """Where directions are looked for that need no labels: where most attributes live, of those the first."""
    most = max(places, key=lambda place: len(place.attributes))
    return singles(most.point)[0]
