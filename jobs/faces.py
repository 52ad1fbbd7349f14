"""The bundled portraits, from noise to a published catalog: `make demo`, or `python -m jobs.faces`."""

from jobs.command_line import carry_out, main
from jobs.options import options
from jobs.printing import console
from jobs.where import Where
from pipeline.annotators.registry import annotator
from pipeline.domains import portraits
from pipeline.domains.portraits.model import bundled
from pipeline.recipes.directions import directions
from pipeline.stages.publish import Catalog
from pipeline.stages.report import Report
from schemas.run import Run


@options(Run, root="runs/faces")
def faces(run: Run, where: Where) -> None:
    """Make a measured direction catalog of the bundled portraits, and a report to look at."""

    def goals() -> tuple[Catalog, Report]:
        labels = annotator("portraits")
        if run.images is not None:
            console.print(
                f"Labels: by {labels.name!r}, which knows the bundled drawings; of photographs they mean nothing."
            )
        return directions(run, bundled(run.model or str(portraits.MODEL)), labels)

    store, [catalog, report] = carry_out(goals, where)
    console.print(f"Catalog: {store.folder(catalog)}")
    console.print(f"Report:  {store.folder(report) / 'report.html'}")


if __name__ == "__main__":
    main(faces)
