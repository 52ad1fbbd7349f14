"""The whole method: sources, finders, measurement, catalog and report. It reads like the method section of a paper.

Every stage is a description of what to make; nothing runs here.
"""

from dataclasses import dataclass, replace
from functools import cached_property

from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.recipes import find
from pipeline.recipes.domain import Domain
from pipeline.recipes.fittable import nowhere, without_border, without_sides
from pipeline.recipes.measure import Measurement
from pipeline.recipes.settings import as_toml, pinned
from pipeline.stages.finders.jacobian_subspaces import JacobianSubspaces
from pipeline.stages.finders.random_directions import RandomDirections
from pipeline.stages.measures.edit_calibrated import verification
from pipeline.stages.measures.locality import Locality
from pipeline.stages.measures.profiles import Profiles
from pipeline.stages.measures.transfer import Transfer
from pipeline.stages.publish import Catalog, LeftOut
from pipeline.stages.report import Report
from pipeline.stages.sources.sketches import Sketched
from schemas.run import Run


def without(domain: Domain, told: tuple[LeftOut, ...]) -> Domain:
    """The domain without the attributes that are left out."""
    names = {each.name for each in told}
    return replace(domain, attributes=tuple(name for name in domain.attributes if name not in names))


@dataclass(frozen=True)
class Directions:
    """A run and its domain, wired. What is made first says what can be fitted; the catalog is of that."""

    run: Run
    domain: Domain
    left_out: tuple[LeftOut, ...] = ()  # of what was asked for

    def __post_init__(self) -> None:
        """Of all that an annotator offers, sketches leave out what knows no two sides; what was named is refused by its finders."""
        if self.run.attributes is not None or self.domain.annotator is None:
            return
        labels = find.labels(self.run, self.sources.found_in, self.domain)
        if isinstance(labels, Sketched):
            told = without_border(self.domain.annotator, self.domain.attributes)
            object.__setattr__(self, "domain", without(self.domain, told))
            object.__setattr__(self, "left_out", (*self.left_out, *told))

    @cached_property
    def sources(self) -> find.Sources:
        return find.sources(self.run, self.domain)

    @cached_property
    def first(self) -> tuple[Stage, ...]:
        """What is made before it is known what can be fitted: labels, and the Jacobians in regions, which not every image has."""
        labels = (find.labels(self.run, self.sources.found_in, self.domain),) if self.domain.attributes else ()
        return (*labels, *self._subspaces_in_regions)

    def fitted(self, store: Store) -> "Directions":
        """The same without what cannot be fitted, by what was made first."""
        domain = self.domain
        sides: tuple[LeftOut, ...] = ()
        if domain.attributes and domain.annotator:
            labels = find.labels(self.run, self.sources.found_in, domain)
            sides = without_sides(labels, domain.annotator, domain.attributes, self.run.top, store)
        lost, told = nowhere(self._subspaces_in_regions, store)
        left = replace(without(domain, sides), regions=tuple(each for each in domain.regions if each not in lost))
        return replace(self, domain=left, left_out=(*self.left_out, *sides, *told))

    @cached_property
    def goals(self) -> tuple[Catalog, Report]:
        """The catalog of the run, and its report."""
        run, domain = self.run, self.domain
        found_in, sample, stored = self.sources
        components = find.components(run, found_in, domain)
        supervised = find.supervised(run, found_in, domain) if domain.attributes else None
        single = find.of_single_images(find.subspaces(run, stored, domain), stored)

        if run.by_effects and len(domain.attributes) == 1 and not self.left_out:
            raise UserError("Of one attribute there is nothing to project away: leave `by_effects` out.")
        measure = Measurement(sample, domain, domain.allowed, run.protocol, run.held_out, run.strengths)
        best = measure.supervised(*supervised, run.by_effects) if supervised else ()
        along = measure.unsupervised(components, "components") if components else ()
        alone = measure.unsupervised(single, "directions of single images") if single else ()
        evaluations = (*best, *along, *alone)
        if not evaluations:
            raise UserError(self._nothing_left())

        published = [finder for each in evaluations for finder in each.edit.finders]
        distinct = tuple(each for each in single if each.kind == "distinct")
        verified = [verification(each, measure.few) for each in (*along[:1], *alone[:1])]
        profiles = Profiles(
            tuple(dict.fromkeys(finder for finder in published if not isinstance(finder, RandomDirections))),
            evaluations,
            verified_by=(*(measure.verified(best[0], supervised.difference) if supervised else ()), *verified),
        )
        regions = tuple(filter(None, domain.regions))
        catalog = Catalog(
            found_in,
            profiles,
            transfers=tuple(Transfer(measure.origins(stored, distinct, each), each) for each in alone[:1]),
            localities=tuple(Locality(each.edit, regions) for each in alone[:1] if regions),
            learning_curves=find.learning_curves(supervised),
            left_out=self.left_out,
            notes=domain.notes,
            run=as_toml(pinned(run, domain.model.revision)),
        )
        return catalog, Report(catalog)

    @property
    def _subspaces_in_regions(self) -> tuple[JacobianSubspaces, ...]:
        return tuple(each for each in find.subspaces(self.run, self.sources.stored, self.domain) if each.mask)

    def _nothing_left(self) -> str:
        why = "".join(f"\nThe {each.what} {each.name} cannot be had: {each.why}." for each in self.left_out)
        return f"There is no direction to find: no attribute is left, and no component or Jacobian is asked for.{why}"
