"""The bundled portraits, from noise to a published catalog: `make demo`, or `python -m jobs.faces`."""

from jobs.command_line import carry_out, main
from jobs.options import options
from jobs.printing import console
from jobs.where import Where
from pipeline.domains import portraits
from pipeline.domains.portraits.model import bundled
from pipeline.domains.portraits.run import PORTRAITS
from pipeline.recipes.directions import directions
from pipeline.recipes.domain import Domain
from pipeline.stages.publish import Catalog
from pipeline.stages.report import Report
from schemas.run import Run


@options(PORTRAITS, root="runs/faces", model="Folder of the bundled model, or of a copy of it; others are refused.")
def faces(run: Run, where: Where) -> None:
    """Make a measured direction catalog of the bundled portraits, and a report to look at."""

    def goals() -> tuple[Catalog, Report]:
        if run.images is not None and run.annotator == PORTRAITS.annotator:
            console.print(
                f"Labels: by {run.annotator!r}, which knows the bundled drawings; of photographs they mean nothing."
            )
        return directions(run, Domain.of(run, bundled(run.model or str(portraits.MODEL))))

    store, [catalog, report] = carry_out(goals, where)
    console.print(f"Catalog: {store.folder(catalog)}")
    console.print(f"Report:  {store.folder(report) / 'report.html'}")


if __name__ == "__main__":
    main(faces)
