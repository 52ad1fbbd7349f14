"""Any model, any annotator: from noise to a measured direction catalog. `python -m jobs.directions RUN.toml`, or by options."""

from pathlib import Path
from typing import Any

from jobs.command_line import main, run_job
from jobs.options import options
from jobs.results import hand_over
from jobs.where import Where
from pipeline.recipes.applicable import applicable
from pipeline.recipes.directions import Directions
from pipeline.recipes.domain import Domain
from pipeline.recipes.settings import read, run_of
from schemas.run import Run


@options(root="runs/directions")
def directions(run: Path | None, given: dict[str, Any], where: Where) -> None:
    """Find directions in the h-space of a diffusion model, measure them, and publish a catalog and a report."""
    make_catalog(run, given, where)


def make_catalog(file: Path | None, given: dict[str, Any], where: Where, defaults: Run | None = None) -> None:
    """Make the catalog of a run: of its defaults, of what a file says in their place, and of what is given beside it."""

    def describe() -> Directions:
        told = {**(read(file) if file else {}), **given}
        settings = {**(defaults.model_dump(exclude_unset=True) if defaults else {}), **told}
        run = applicable(run_of(settings), told)
        return Directions(run, Domain.of(run))

    store, [catalog, report] = run_job(describe, where)
    hand_over(store, catalog, report, where)


if __name__ == "__main__":
    main(directions)
