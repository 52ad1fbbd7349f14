"""What is to be known of a comparison: how far the two catalogs are of one thing."""

from collections.abc import Iterator, Sequence

from pipeline.catalog.compare.effects import EffectChanges
from pipeline.catalog.compare.matching import Matching
from pipeline.catalog.compare.vectors import SharedSteps
from pipeline.catalog.direction_catalog import DirectionCatalog


def notes(a: DirectionCatalog, b: DirectionCatalog, found: Matching, effects: Sequence[EffectChanges]) -> Iterator[str]:
    """Yield a sentence each."""
    yield from _of_models(a, b)
    yield from _of_vectors(a, b, found)
    if any(each.read_off for each in effects):
        yield "Where both were measured at other strengths, the second's effects are read off straight lines between its own."
    changes = [each for of_direction in effects for each in of_direction.all]
    if any(not each.difference.paired for each in changes):
        yield (
            "Both were measured on the same held-out samples, but a catalog does not hold the change of each: errors are by the "
            "two standard errors, which is too much as far as the changes of a sample go together."
            if same_samples(a, b)
            else "They were measured on different held-out samples: errors are by the two standard errors."
        )


def same_samples(a: DirectionCatalog, b: DirectionCatalog) -> bool:
    """Whether both made their held-out samples of the same noise by the same model."""
    one, other = a.about, b.about
    held_out = [[(each.n, each.seeds) for each in about.evaluations] for about in (one, other)]
    conditions = [(about.model.condition_sha256, about.model.class_label) for about in (one, other)]
    return (
        one.model.weights_sha256 == other.model.weights_sha256
        and one.sampling.model_dump(exclude={"n", "found_in"}) == other.sampling.model_dump(exclude={"n", "found_in"})
        and held_out[0] == held_out[1]
        and conditions[0] == conditions[1]
    )


def _of_models(a: DirectionCatalog, b: DirectionCatalog) -> Iterator[str]:
    one, other = a.about.model, b.about.model
    if one.weights_sha256 != other.weights_sha256:
        yield (
            "They are of different weights: an effect is in standard deviations over each model's own samples, and a cosine "
            "compares spaces that training may have turned."
        )
    seeds = a.about.sampling.seed, b.about.sampling.seed
    if seeds[0] != seeds[1]:
        yield f"The seeds are {seeds[0]} and {seeds[1]}."


def _of_vectors(a: DirectionCatalog, b: DirectionCatalog, found: Matching) -> Iterator[str]:
    reasons = [each.why_not for each in found.matched] + [each.why for each in (*found.vanished, *found.appeared)]
    for why in dict.fromkeys(filter(None, reasons)):
        yield (
            f"Vectors are not compared where {why}: there, effects alone are, and nothing of directions that only their vectors "
            "tell from others."
        )
    steps, shared = (a.about.sampling.steps, b.about.sampling.steps), len(SharedSteps.of(a, b).timesteps)
    if shared != max(steps) and any(each.cosines for each in found.matched):
        yield f"Cosines are over the {shared} timesteps that both have, of {steps[0]} and {steps[1]}."
