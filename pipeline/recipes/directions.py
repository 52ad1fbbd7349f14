"""The whole method: sources, finders, measurement, catalog and report. It reads like the method section of a paper.

Every stage is a description of what to make; nothing runs here.
"""

from pipeline.recipes import find
from pipeline.recipes.domain import Domain
from pipeline.recipes.measure import Measurement
from pipeline.stages.finders.random_directions import RandomDirections
from pipeline.stages.measures.edit_calibrated import verification
from pipeline.stages.measures.locality import Locality
from pipeline.stages.measures.profiles import Profiles
from pipeline.stages.measures.transfer import Transfer
from pipeline.stages.publish import Catalog
from pipeline.stages.report import Report
from schemas.run import Run


def directions(run: Run, domain: Domain) -> tuple[Catalog, Report]:
    """The catalog of a run and its report."""
    found_in, sample, stored = find.sources(run, domain)
    unsupervised, difference, better = find.finders(run, found_in, domain)
    single = find.of_single_images(stored, min(run.jacobians, stored.n), domain.regions)

    measure = Measurement(sample, domain, tuple(run.allow_judge), run.protocol, run.held_out)
    full, *others = measure.supervised(difference, better, run.by_effects)
    components, *controls = measure.unsupervised((unsupervised,), "components")
    alone = measure.unsupervised(single, "directions of single images") if single else ()
    evaluations = (full, *others, components, *controls, *alone)

    published = [finder for each in evaluations for finder in each.edit.finders]
    distinct = tuple(each for each in single if each.kind == "distinct")
    profiles = Profiles(
        tuple(dict.fromkeys(finder for finder in published if not isinstance(finder, RandomDirections))),
        evaluations,
        verified_by=tuple(verification(each, measure.few) for each in (full, components, *alone[:1])),
    )
    catalog = Catalog(
        found_in,
        profiles,
        transfers=tuple(Transfer(measure.origins(stored, distinct, each), each) for each in alone[:1]),
        localities=tuple(
            Locality(each.edit, regions) for each in alone[:1] if (regions := tuple(filter(None, domain.regions)))
        ),
        learning_curves=find.learning_curves(difference),
    )
    return catalog, Report(catalog)
