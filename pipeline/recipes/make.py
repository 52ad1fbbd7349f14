"""From a run to its catalog, in Python: `make(Run(...), root)`."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.engine.plan import StagePlan, check_space, plan
from pipeline.engine.pool import InProcess, kept_open
from pipeline.engine.progress import Progress
from pipeline.engine.ray_pool import RayPool
from pipeline.engine.runner import run as run_plans
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.recipes.applicable import applicable
from pipeline.recipes.directions import Directions
from pipeline.recipes.domain import Domain
from pipeline.recipes.settings import placed
from pipeline.stages.publish import Catalog
from schemas.run import Run

Goals = TypeVar("Goals", bound=Sequence[Stage], covariant=True)


class Recipe(Protocol[Goals]):
    """What is to be made: first what decides the rest, as long as anything does, then the goals, fitted to what was found."""

    @property
    def first(self) -> Sequence[Stage]: ...

    @property
    def goals(self) -> Goals: ...

    def fitted(self, store: Store) -> "Recipe[Goals]": ...

    def foreseen(self, store: Store) -> Sequence[str]:
        """What is known of the outcome already, in sentences."""
        ...


def planned(recipe: Recipe[Goals], store: Store) -> tuple[Recipe[Goals], list[StagePlan]]:
    """Return what to make for the goals: as they are fitted, where what decides that is there, or else as they were asked for.

    Raises UserError for settings that cannot work, and for more than the disk can hold.
    """
    plans = plan(recipe.goals, store)
    while recipe.first and not any(each.todo for each in plan(recipe.first, store)):
        recipe = recipe.fitted(store)
        plans = plan(recipe.goals, store)
    return recipe, plans


def carry_out(
    recipe: Recipe[Goals],
    store: Store,
    make: Callable[[list[StagePlan]], None],
    heard: Callable[[Recipe[Goals]], None] = lambda recipe: None,
) -> Goals:
    """Make a recipe's goals by `make`, which makes what is planned: first what decides what can be fitted, then that.

    heard: is given the recipe whenever it is known what follows next. Raises UserError where it turns out, before any of it is
    made, that what follows is more than the disk can hold.
    """

    def make_all(goals: Sequence[Stage]) -> None:
        plans = plan(goals, store)
        if any(each.todo for each in plans):
            check_space(plans, store)
            make(plans)

    while recipe.first:
        make_all(recipe.first)
        recipe = recipe.fitted(store)
        heard(recipe)
    make_all(recipe.goals)
    for goal in recipe.goals:
        store.check(goal)
    return recipe.goals


def make(run: Run, root: str | Path, workers: int = 0) -> DirectionCatalog:
    """Make the catalog of a run below the folder `root`, and return it. What is there already is not made again.

    workers: processes of Ray; 0 works in this process. Raises UserError for what cannot work, before any work, and RunFailed where
    some of the work failed.
    """
    chosen = placed(applicable(run))
    store = Store(root)
    recipe, plans = planned(Directions(chosen, Domain.of(chosen)), store)
    check_space(plans, store)
    store.prepare()
    with kept_open(lambda: InProcess() if workers == 0 else RayPool(workers)) as pool:
        catalog, _ = carry_out(recipe, store, lambda plans: run_plans(plans, store, pool, Progress()))
    return catalog_in(store, catalog)


def catalog_in(store: Store, stage: Catalog) -> DirectionCatalog:
    """The catalog that a stage made, read from where it lies."""
    return DirectionCatalog(partial(store.read, stage), frozenset(store.record(stage, 0)["files"]))
