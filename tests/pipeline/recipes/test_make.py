"""A recipe is carried out in rounds: what is made first decides what follows, and nothing is begun that the disk cannot hold."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.engine.pool import InProcess
from pipeline.engine.progress import Progress
from pipeline.engine.runner import run as run_plans
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.recipes.make import carry_out, planned


@dataclass(frozen=True)
class Weighed(Stage):
    """A file that a plan believes to be of some size."""

    gigabytes: float

    def part_bytes(self) -> int:
        return int(self.gigabytes * 1e9)

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        (out / "made").write_text("made")


@dataclass(frozen=True)
class Rounds:
    """What is made first, in rounds, and then the goal."""

    rounds: tuple[Weighed, ...]
    goals: tuple[Weighed, ...]

    @property
    def first(self) -> tuple[Weighed, ...]:
        return self.rounds[:1]

    def fitted(self, store: Store) -> "Rounds":
        return Rounds(self.rounds[1:], self.goals)


@pytest.fixture
def store(tmp_path, monkeypatch) -> Store:
    monkeypatch.setattr(Store, "free_bytes", lambda self: 2_000_000_000)
    store = Store(tmp_path / "root")
    store.prepare()
    return store


def make(recipe: Rounds, store: Store) -> tuple[Weighed, ...]:
    return carry_out(recipe, store, lambda plans: run_plans(plans, store, InProcess, Progress()))


def done(store: Store, *stages: Weighed) -> list[bool]:
    return [store.exists(stage, 0) for stage in stages]


def test_round_after_round_then_the_goals(store):
    recipe = Rounds((Weighed(0.1), Weighed(0.2)), (Weighed(0.3),))
    assert make(recipe, store) == recipe.goals
    assert done(store, *recipe.rounds, *recipe.goals) == [True, True, True]
    assert planned(recipe, store)[0] == Rounds((), recipe.goals)  # all that decides is there


@pytest.mark.parametrize("large", [0, 1, 2])
def test_no_round_is_begun_that_the_disk_cannot_hold(store, large):
    sizes = [0.1, 0.2, 0.3]
    sizes[large] = 5.0
    first, second, goal = map(Weighed, sizes)
    with pytest.raises(UserError, match="writes about 5.* GB, and .* has 2.00 GB left"):
        make(Rounds((first, second), (goal,)), store)
    assert done(store, first, second, goal) == [i < large for i in range(3)]
