"""Any model, any annotator: from noise to a measured direction catalog. `python -m jobs.directions RUN.toml`, or by options."""

from pathlib import Path
from typing import Any

from jobs.command_line import main, run_job
from jobs.options import options
from jobs.printing import console
from jobs.results import hand_over
from jobs.where import Where
from pipeline.errors import UserError
from pipeline.recipes.applicable import applicable
from pipeline.recipes.directions import Directions
from pipeline.recipes.domain import Domain
from pipeline.recipes.settings import placed, read, run_of
from schemas.run import Run


@options(root="runs/directions")
def directions(run: Path | None, given: dict[str, Any], where: Where) -> None:
    """Find directions in the h-space of a diffusion model, measure them, and publish a catalog and its explorer."""
    make_catalog(run, given, where)


def make_catalog(file: Path | None, given: dict[str, Any], where: Where, defaults: Run | None = None) -> None:
    """Make the catalog of a run: of its defaults, of what a file says in their place, and of what is given beside it."""

    def describe() -> Directions:
        told = {**(read(file) if file else {}), **given}
        settings = {**(defaults.model_dump(exclude_unset=True) if defaults else {}), **told}
        run = placed(applicable(run_of(settings), told))
        domain = Domain.of(run)
        if defaults and not {"annotator", "judge"} <= told.keys():
            check_known(domain)
        for note in domain.notes:
            console.print(f"Note: {note}")
        recipe = Directions(run, domain)
        for note in recipe.notes:
            console.print(f"Note: {note}")
        return recipe

    run_job(describe, where, lambda store, goals: hand_over(store, *goals, where))


def check_known(domain: Domain) -> None:
    """Raise UserError where who labels or judges, whom nobody named, does not know what the model shows."""
    for why in domain.strangers.values():
        raise UserError(
            f"{domain.model.name} is another model than this job is for. {why}\n"
            "For any model: python -m jobs.directions, where you name who labels and who judges."
        )


if __name__ == "__main__":
    main(directions)
