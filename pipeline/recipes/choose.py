"""Capture points that are chosen: first by what swaps of h take with them, then by what directions do at the few that are left.

The first rule: of the candidates, in the order of a pass, an attribute's are those from the first that carries `CARRIED` of it to
the first that carries `ENOUGH`; of more than `MOST`, and where none carries it, those that carry most. Several are tried
together, too.
The second rule is that of metrics/choice.py. Both go by who labelled: the judges have no part in it.

Eq. 12 takes away, at a point, the directions of what is carried there. Of what is not, a direction fitted there is made of noise,
and of what goes together with the attribute: taking that away would harm those that do live there.
"""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from pipeline.annotators.base import presence_of
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.hspace.capture import union
from pipeline.recipes import find
from pipeline.recipes.domain import Domain
from pipeline.recipes.points import Place, candidates
from pipeline.stages import reading
from pipeline.stages.finders.disentangle import Disentangle
from pipeline.stages.finders.selected import Selected
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.labels.embed import Embed
from pipeline.stages.measures.carriage import Carriage
from pipeline.stages.measures.choose import Choose
from pipeline.stages.measures.edit_at_points import EditAtPoints
from pipeline.stages.measures.evaluate import Evaluate
from pipeline.stages.measures.full_strengths import FullStrengths
from pipeline.stages.measures.score_edits import ScoreEdits
from pipeline.stages.sources.sample import Sample
from schemas.run import Run

CARRIED = 0.2  # share of the way that a swap takes an attribute, from which a direction there is worth trying
ENOUGH = 0.75  # from which no later point is tried
MOST = 3  # points that an attribute is tried at, and all together
IMAGE = 0.5  # share of the image that a swap takes, where nobody scores attributes

STRENGTHS = (-1.0, 0.5, 1.0)  # shares of a direction's full strength
SAMPLES = 16  # that directions are compared on


def carriage(run: Run, domain: Domain) -> Carriage:
    """Swaps of h at every candidate."""
    points = candidates(domain.model)
    sample = Sample(domain.model, run.samples, run.steps, **find.noise(run), **find.sampling(run, points[:1]))
    return Carriage(sample, points, domain.annotator, foreground=domain.foreground)


def anywhere(domain: Domain) -> tuple[Place, ...]:
    """The shortlist before anything is known: every candidate, for no attribute but at the first."""
    points = candidates(domain.model)
    return (Place(points[0], domain.attributes), *(Place(point, ()) for point in points[1:]))


def shortlist(found: Carriage, domain: Domain, store: Store) -> tuple[Place, ...]:
    """The points that attributes are tried at, single ones in the order of a pass, then pairs."""
    table = reading.table(store, found, "carriage.parquet").to_pandas()
    kind = "attribute" if domain.attributes else "pixels"
    in_all_steps = table[table["third"].isna() & (table["kind"] == kind)]
    shares = in_all_steps.pivot(index="point", columns="what", values="share").reindex(found.points)
    if not domain.attributes:
        enough = shares.index[shares["image"] >= IMAGE]
        return (Place(str(enough[0]) if len(enough) else found.points[0], ()),)
    return _places({name: worth_trying(shares[name]) for name in domain.attributes}, shares[list(domain.attributes)])


def worth_trying(shares: pd.Series) -> tuple[str, ...]:
    """The points that one attribute is tried at, of its shares by point in the order of a pass.

    That is the first one where no share is known: no two samples of a pair differ in it, and most likely nothing can be fitted.
    """
    if shares.isna().all():
        return (str(shares.index[0]),)
    carrying = shares[shares >= CARRIED]
    enough = carrying.index[carrying >= ENOUGH]
    tried = carrying[: enough[0]] if len(enough) else carrying if len(carrying) else shares
    most = tried.nlargest(MOST).index
    return tuple(str(point) for point in tried.index if point in most)


def _places(points: Mapping[str, tuple[str, ...]], shares: pd.DataFrame) -> tuple[Place, ...]:
    """Points by attribute as attributes by point; of an attribute at several, all of them together come last.

    shares: of each attribute (a column) that each point (a row) carries, in the order of a pass; NaN is not known.
    """
    together = dict.fromkeys(each for each in points.values() if len(each) > 1)
    single = [((point,), tuple(name for name, at in points.items() if point in at)) for point in shares.index]
    pairs = [(pair, tuple(name for name, at in points.items() if at == pair)) for pair in together]
    return tuple(
        Place(union(several), tried, _carried(shares.loc[list(several)], but=tried))
        for several, tried in (*single, *pairs)
        if tried
    )


def _carried(shares: pd.DataFrame, but: tuple[str, ...]) -> tuple[str, ...]:
    """The attributes that one of these points may carry, but for those that are tried there."""
    return tuple(str(name) for name in shares if name not in but and not (shares[name] < CARRIED).all())


def first(shortlisted: tuple[Place, ...]) -> tuple[Place, ...]:
    """Each attribute at the first point that it is tried at."""
    left: set[str] = {name for place in shortlisted for name in place.attributes}
    places = []
    for place in shortlisted:
        here = tuple(name for name in place.attributes if name in left)
        left -= set(here)
        if here:
            places.append(place.of(here, tuple(place.fitted)))
    return tuple(places) or shortlisted[:1]


def choice(
    run: Run, sources: find.Sources, domain: Domain, shortlisted: tuple[Place, ...], carried: Carriage
) -> Choose:
    """What directions at each point of the shortlist do, on samples that are for choosing alone."""
    assert domain.annotator is not None
    labels, sample = domain.annotator, sources.measured_on
    tried = [_tried(run, sources, domain, place) for place in shortlisted]
    finders = tuple(finder for at_point in tried for finder in at_point)
    looking = next((each for each in (labels, *domain.judges) if presence_of(each)), None)
    embed = Embed(sample, domain.embedder) if domain.embedder else None
    unedited = Annotate(sample, (labels,), purpose=f"by {labels.name}")
    purpose = "directions at each point"
    full = FullStrengths(sample, finders, unedited, labels, looking, embed, purpose=f"how far to follow {purpose}")
    edits = EditAtPoints(sample, finders, STRENGTHS, SAMPLES, full=full, purpose=purpose)
    scored = ScoreEdits(edits, (labels,), embed, domain.foreground, purpose=purpose)
    return Choose(Evaluate(scored, unedited, None, (labels.name,), purpose=purpose), carried)


def _tried(run: Run, sources: find.Sources, domain: Domain, place: Place) -> tuple[Stage, ...]:
    """The recommended directions of each attribute that may be at a point."""
    fitted = fitted_at(place, domain)
    better = find.supervised(run, sources.found_in, fitted, place.point, sources.stored).better
    finders = tuple(map(Disentangle, better)) if len(fitted.attributes) > 1 else better
    every = place.attributes == fitted.attributes
    return finders if every else tuple(Selected(finder, place.attributes) for finder in finders)


def fitted_at(place: Place, domain: Domain) -> Domain:
    """The domain with the attributes alone that directions are fitted for at a place."""
    return replace(domain, attributes=tuple(name for name in domain.attributes if name in place.fitted))


def places(found: Choose, domain: Domain, shortlisted: tuple[Place, ...], store: Store) -> tuple[Place, ...]:
    """Where each attribute's directions are published."""
    points = found.points(store)
    at = [
        each.of(tuple(name for name in domain.attributes if points[name] == each.point), domain.attributes)
        for each in shortlisted
    ]
    return tuple(place for place in at if place.attributes)
