"""What is to be known of a comparison: how far the two catalogs are of one thing."""

from collections.abc import Iterator, Sequence

from pipeline.catalog.compare.effects import EffectChanges
from pipeline.catalog.compare.matching import Matching
from pipeline.catalog.compare.vectors import SharedSteps
from pipeline.catalog.direction_catalog import DirectionCatalog

WAYS = ("steps", "eta", "clip", "dtype")  # to sample


def notes(a: DirectionCatalog, b: DirectionCatalog, found: Matching, effects: Sequence[EffectChanges]) -> Iterator[str]:
    """Yield a sentence each."""
    yield from _of_models(a, b)
    yield from _of_vectors(a, b, found)
    if any(each.read_off for each in effects):
        yield "Where both were measured at other strengths, effects are read off straight lines between those of one of them."
    paired = {each.difference.paired for of_direction in effects for each in of_direction.all}
    if paired == {True}:
        yield "Both were measured on the same noise: errors are of the differences of each sample."
    elif paired and same_noise(a, b):
        yield (
            "Both were measured on the same noise, but the scores of each sample are not at hand: errors are by the two standard "
            "errors, which is too much as far as the changes of a sample go together."
        )
    elif paired:
        yield "They were measured on different noise: errors are by the two standard errors."


def same_noise(a: DirectionCatalog, b: DirectionCatalog) -> bool:
    """Whether both made their held-out samples of the same noise, in the same way; the models may differ."""
    one, other = (
        (catalog.about.sampling.model_dump(exclude={"n", "found_in"}), catalog.about.model.class_label)
        for catalog in (a, b)
    )
    return one == other


def _of_models(a: DirectionCatalog, b: DirectionCatalog) -> Iterator[str]:
    one, other = a.about.model, b.about.model
    if one.weights_sha256 != other.weights_sha256:
        yield (
            "They are of different weights: an effect is in standard deviations over each model's own samples, and a cosine "
            "compares spaces that training may have turned."
        )
    before, after = (catalog.about.sampling.model_dump(include={*WAYS}) for catalog in (a, b))
    if differs := [f"{name} {before[name]} and {after[name]}" for name in before if before[name] != after[name]]:
        yield f"They are sampled in different ways ({', '.join(differs)}): the effects are those of either way."
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
