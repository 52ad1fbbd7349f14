"""The whole method: sources, finders, measurement, catalog and explorer. It reads like the method section of a paper.

Every stage is a description of what to make; nothing runs here. What is made first decides what follows: in which dtype the U-Net
computes, where that is asked; at which capture points attributes live, what can be fitted, where a direction is best.
"""

from dataclasses import dataclass, replace
from functools import cached_property

from pipeline.engine.stage import Stage, in_order
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.recipes import choose, dtypes, find
from pipeline.recipes.domain import Domain
from pipeline.recipes.fittable import nowhere, untold, without_border, without_sides
from pipeline.recipes.measure import Measurement
from pipeline.recipes.points import Place, is_chosen, named, unsupervised
from pipeline.recipes.settings import as_toml, pinned
from pipeline.stages.explorer import Explorer
from pipeline.stages.finders.jacobian_subspaces import JacobianSubspaces
from pipeline.stages.finders.joined import Joined
from pipeline.stages.finders.linear_classifier import LinearClassifier
from pipeline.stages.finders.random_directions import RandomDirections
from pipeline.stages.labels.familiarity import Familiarity
from pipeline.stages.measures.best_strengths import BestStrengths
from pipeline.stages.measures.carriage import Carriage
from pipeline.stages.measures.choose import Choose
from pipeline.stages.measures.confirm import Confirm
from pipeline.stages.measures.edit_calibrated import verification
from pipeline.stages.measures.edit_ranked import ranked_first
from pipeline.stages.measures.locality import Locality
from pipeline.stages.measures.profiles import Profiles
from pipeline.stages.measures.score_edits import ScoreEdits
from pipeline.stages.measures.transfer import Transfer
from pipeline.stages.publish import Catalog, LeftOut
from pipeline.stages.sources.invert import Invert
from pipeline.stages.sources.sketches import Sketched
from schemas.run import Run


def without(domain: Domain, told: tuple[LeftOut, ...]) -> Domain:
    """The domain without the attributes that are left out."""
    names = {each.name for each in told}
    return replace(domain, attributes=tuple(name for name in domain.attributes if name not in names))


@dataclass(frozen=True)
class Directions:
    """A run and its domain, wired. What is made first says what follows; the catalog is of that."""

    run: Run
    domain: Domain
    left_out: tuple[LeftOut, ...] = ()  # of what was asked for
    shortlist: tuple[Place, ...] | None = None  # capture points that attributes may be found at; None is not known yet
    fittable: bool = False  # whether it is known what can be fitted
    places: tuple[Place, ...] | None = None  # at which they are; None is not known yet
    chosen: Choose | None = None  # what they were chosen by, where they were
    told: bool = False  # whether it is known which attributes h tells at all
    settled: tuple[str, ...] = ()  # what was settled of the run itself, in sentences

    def __post_init__(self) -> None:
        """Of all that an annotator offers, sketches leave out what knows no two sides; what was named is refused by its finders."""
        if not is_chosen(self.run):
            object.__setattr__(self, "shortlist", named(self.run, self.domain.attributes))
        if self.run.attributes is not None or self.domain.annotator is None:
            return
        labels = find.labels(self.run, self.sources.found_in, self.domain)
        if isinstance(labels, Sketched):
            told = without_border(self.domain.annotator, self.domain.attributes)
            object.__setattr__(self, "domain", without(self.domain, told))
            object.__setattr__(self, "left_out", (*self.left_out, *told))

    @cached_property
    def carriage(self) -> Carriage:
        """What swaps of h take with them: it says where attributes live."""
        return choose.carriage(self.run, self.domain)

    @property
    def _shortlist(self) -> tuple[Place, ...]:
        """Where attributes may be found; before that is known, as much as there may be."""
        return choose.anywhere(self.domain) if self.shortlist is None else self.shortlist

    @property
    def _places(self) -> tuple[Place, ...]:
        """Where attributes are found; before that is known, wherever they may be first."""
        if self.places is not None:
            return self.places
        return choose.first(self._shortlist) if is_chosen(self.run) else self._shortlist

    @cached_property
    def sources(self) -> find.Sources:
        points = (*(place.point for place in self._shortlist), *find.points_from_outside(self.run))
        return find.sources(self.run, self.domain, points)

    @cached_property
    def choice(self) -> Choose:
        """What directions at each point of the shortlist do, on samples that are for choosing alone."""
        return choose.choice(self.run, self.sources, self.domain, self._shortlist, self.carriage)

    @cached_property
    def first(self) -> tuple[Stage, ...]:
        """What is made before it is known what follows; nothing where that is known.

        In which dtype to sample; where attributes live; labels, and Jacobians in regions, which not every image has; what
        directions do at several points; whether classifiers tell the labels.
        """
        if dtypes.is_timed(self.run):
            return (dtypes.timing(self.run, self.domain.model),)
        if self.shortlist is None:
            return (self.carriage,)
        if not self.fittable:
            labels = (find.labels(self.run, self.sources.found_in, self.domain),) if self.domain.attributes else ()
            return (*labels, *self._subspaces_in_regions)
        if self.places is None:
            return (self.choice,)
        return () if self.told else self._classifiers

    def fitted(self, store: Store) -> "Directions":
        """The same with what follows, by what was made first."""
        if dtypes.is_timed(self.run):
            timing = dtypes.timing(self.run, self.domain.model)
            told = (*self.settled, timing.told(store))
            return replace(self, run=dtypes.settled(self.run, timing, store), settled=told)
        if self.shortlist is None:
            return replace(self, shortlist=choose.shortlist(self.carriage, self.domain, store))
        if not self.fittable:
            return self._without_unfittable(store)
        if self.places is not None:
            return self if self.told else self._without_untold(store)
        places = choose.places(self.choice, self.domain, self._shortlist, store)
        return replace(self, places=places, chosen=self.choice)

    def _without_unfittable(self, store: Store) -> "Directions":
        domain = self.domain
        sides: tuple[LeftOut, ...] = ()
        if domain.attributes and domain.annotator:
            labels = find.labels(self.run, self.sources.found_in, domain)
            sides = without_sides(labels, domain.annotator, domain.attributes, self.run.top, store)
        lost, told = nowhere(self._subspaces_in_regions, store)
        left = replace(without(domain, sides), regions=tuple(each for each in domain.regions if each not in lost))
        kept = tuple(
            place.of(tuple(name for name in place.attributes if name in left.attributes), left.attributes)
            for place in self._shortlist
        )
        settled = not is_chosen(self.run) or not left.attributes or len(kept) == 1
        return replace(
            self,
            domain=left,
            left_out=(*self.left_out, *sides, *told),
            shortlist=kept,
            fittable=True,
            places=kept if settled else None,
        )

    @property
    def _classifiers(self) -> tuple[Stage, ...]:
        """The estimators that say how well h tells each attribute, at the points where it is published."""
        found = [self._supervised(place) for place in self._places if place.attributes]
        return tuple(
            part
            for fitted in found
            for finder in fitted.better
            for part in (finder.finders if isinstance(finder, Joined) else (finder,))
            if isinstance(part, LinearClassifier)
        )

    def _supervised(self, place: Place) -> find.Fitted:
        return find.supervised(
            self.run, self.sources.found_in, choose.fitted_at(place, self.domain), place.point, self.sources.stored
        )

    def _without_untold(self, store: Store) -> "Directions":
        """The same without the attributes whose labels do not fit the images."""
        told = untold(self._classifiers, store)
        if not told:
            return replace(self, told=True)
        left = without(self.domain, told)

        def of(places: tuple[Place, ...]) -> tuple[Place, ...]:
            kept = (
                each.of(tuple(n for n in each.attributes if n in left.attributes), left.attributes) for each in places
            )
            return tuple(kept)

        assert self.places is not None
        some = tuple(each for each in of(self.places) if each.attributes) or of(self.places)[:1]
        return replace(self, domain=left, left_out=(*self.left_out, *told), places=some, told=True)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of the images that directions are found in."""
        found_in = self.sources.found_in
        return found_in.images.notes if isinstance(found_in, Invert) else ()

    @cached_property
    def goals(self) -> tuple[Catalog, Explorer]:
        """The catalog of the run, and its explorer."""
        run, domain = self.run, self.domain
        found_in, _, stored = self.sources
        measure = Measurement(
            self.sources.measured_on, domain, domain.allowed, run.protocol, run.held_out, run.strengths
        )
        if run.by_effects and len(domain.attributes) == 1 and not self.left_out:
            raise UserError("Of one attribute there is nothing to project away: leave `by_effects` out.")

        supervised = [(place, self._supervised(place)) for place in self._places if place.attributes]
        where = unsupervised(self._places)
        components = find.components(run, found_in, domain, where)
        single = find.of_single_images(find.subspaces(run, stored, domain, where), stored.seen_at(where))

        best = [measure.supervised(*fitted, run.by_effects, place.attributes) for place, fitted in supervised]
        along = measure.unsupervised(components, "components") if components else ()
        alone = measure.unsupervised(single, "directions of single images") if single else ()
        outside = find.from_outside(run, self.sources.measured_on)
        brought = measure.unsupervised(outside, "imported directions") if outside else ()
        evaluations = (*(each for at_place in best for each in at_place), *along, *alone, *brought)
        if not evaluations:
            raise UserError(self._nothing_left())

        published = [finder for each in evaluations for finder in each.edit.finders]
        distinct = tuple(each for each in single if each.kind == "distinct")
        unlabelled = (*along[:1], *alone[:1], *brought[:1])
        verified: list[ScoreEdits] = [measure.verified(at_place[0]) for at_place in best]
        verified += [verification(each, measure.few) for each in unlabelled]
        ranking = Profiles(
            tuple(dict.fromkeys(finder for finder in published if not isinstance(finder, RandomDirections))),
            evaluations,
            verified_by=tuple(verified),
            purpose="ranks",
        )
        top = ranked_first(ranking, unlabelled, max(2, run.held_out)) if unlabelled else None
        profiles = replace(ranking, confirmed=Confirm(top), purpose="") if top else ranking
        chosen = BestStrengths(profiles, tuple(measure.selection(at_place[0]) for at_place in best))
        regions = tuple(filter(None, domain.regions))
        catalog = Catalog(
            found_in,
            profiles,
            best=chosen if best else None,
            samplers=measure.samplers(tuple(at_place[0] for at_place in best), ranking),
            transfers=tuple(Transfer(measure.origins(stored, distinct, each), each) for each in alone[:1]),
            localities=tuple(Locality(each.edit, regions) for each in alone[:1] if regions),
            learning_curves=find.learning_curves(supervised[0][1] if supervised else None),
            carriage=self.carriage if is_chosen(run) else None,
            choice=self.chosen,
            left_out=self.left_out,
            notes=(*domain.notes, *self.notes),
            familiarity=Familiarity.of(stored, tuple(filter(None, (domain.annotator, *domain.judges)))),
            run=as_toml(pinned(run, domain.model.revision)),
        )
        return catalog, Explorer(catalog)

    def foreseen(self, store: Store) -> tuple[str, ...]:
        """What the catalog will say, as far as what is there of the samples tells: of who scores, and what cannot be had."""
        catalog, _ = self.goals
        seen = catalog.familiarity
        assert seen, "a catalog of this recipe says it"
        notes = seen.notes(store) if store.exists(seen, 0) else seen.foreseen(in_order(self.goals), store)
        left_out = (f"Left out: {each.what} {each.name}: {each.why}." for each in self.left_out)
        how = (dtypes.not_yet(self.run),) if dtypes.is_timed(self.run) else self.settled
        return (*how, *left_out, *(f"Note: {note}" for note in notes))

    @property
    def _subspaces_in_regions(self) -> tuple[JacobianSubspaces, ...]:
        found = find.subspaces(self.run, self.sources.stored, self.domain, unsupervised(self._shortlist))
        return tuple(each for each in found if each.mask)

    def _nothing_left(self) -> str:
        why = "".join(f"\nThe {each.what} {each.name} cannot be had: {each.why}." for each in self.left_out)
        return f"There is no direction to find: no attribute is left, and no component or Jacobian is asked for.{why}"
