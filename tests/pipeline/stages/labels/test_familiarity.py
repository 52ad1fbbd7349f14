"""Whoever scores samples unlike what it was trained on is told of, and whoever knows them is not."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest

from pipeline.annotators.base import Scorer
from pipeline.annotators.familiarity import Reference, note
from pipeline.annotators.registry import annotator
from pipeline.domains.portraits.data import draw as portraits
from pipeline.formats.images import decode
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.labels.embed import Embed
from pipeline.stages.labels.familiarity import Familiarity, Seen, agreed, rows_of
from pipeline.stages.sources.sample import Sample
from tests.pipeline.making import made


@dataclass(frozen=True)
class Brightness:
    """Mean brightness, which is all that it sees; it was trained around a level."""

    level: float
    name: str = field(default="brightness")
    attributes: ClassVar[tuple[str, ...]] = ("brightness", "there")
    thresholds: ClassVar[tuple[float, ...]] = (float("nan"), 0.5)
    presence: ClassVar[str] = "there"

    def load(self) -> Scorer:
        return lambda images: np.stack([images.mean(axis=(1, 2, 3)), np.arange(len(images)) % 8 < 2], axis=1)

    def embedder(self) -> Callable[[np.ndarray], np.ndarray]:
        return lambda images: images.mean(axis=(1, 2))

    def reference(self) -> Reference:
        return Reference((self.level + np.random.default_rng(0).normal(0, 40, (100, 3))).astype(np.float16))


@dataclass(frozen=True)
class Plain:
    name: ClassVar[str] = "plain"
    attributes: ClassVar[tuple[str, ...]] = ("one",)
    thresholds: ClassVar[tuple[float, ...]] = (0.0,)

    def load(self) -> Scorer:
        return lambda images: np.ones((len(images), 1))


def test_who_is_not_at_home_is_told_with_the_numbers(model, tmp_path):
    sample = Sample(model, 24, 2, batch=8)
    store = made(tmp_path, sample)
    level = decode(store.table(sample, "samples.parquet")).mean()
    own, other = Brightness(level), Brightness(level + 2000, "elsewhere")
    stage = Familiarity.of(sample, (own, other, Plain(), own))
    store = made(tmp_path, stage)
    at_home, stranger, plain = store.table(stage, "familiarity.parquet").to_pylist()
    assert at_home["strange"] < 0.5 and stranger["strange"] == 1 and plain["strange"] is None
    assert [each["n"] for each in (at_home, stranger, plain)] == [24] * 3
    assert at_home["present"] == pytest.approx(0.25) and plain["present"] is None and plain["alike"] == 1
    notes = stage.notes(store)
    assert ["not at home" in note for note in notes] == [False, True, False, False]
    assert "'elsewhere'" in notes[1] and "100% of 24" in notes[1]
    assert "finds what it scores in 25%" in notes[0] and "the same score of one" in notes[3]


def test_what_it_was_trained_on_is_part_of_what_it_is(model):
    sample = Sample(model, 24, 2, batch=8)
    references = Familiarity.of(sample, (Brightness(0.0), Plain())).references
    assert len(references[0]) == 64 and references[1] == ""
    assert references != Familiarity.of(sample, (Brightness(9.0), Plain())).references


def test_before_it_is_made_scores_and_features_that_are_there_say_the_same(model, tmp_path):
    sample = Sample(model, 24, 2, batch=8)
    store = made(tmp_path, sample)
    level = decode(store.table(sample, "samples.parquet")).mean()
    who = (Brightness(level), Brightness(level + 2000, "elsewhere"), Plain())
    stage, read = Familiarity.of(sample, who), [Annotate(sample, who), *(Embed(sample, each) for each in who[:2])]
    assert stage.foreseen(read, store) == (), "nothing is there"
    assert [note.split("'")[1] for note in stage.foreseen(read, made(tmp_path, read[0]))] == [
        "brightness",
        "elsewhere",
        "plain",
    ]
    before = stage.foreseen(read, made(tmp_path, *read))
    assert before == stage.notes(made(tmp_path, stage)) and "'elsewhere' is not at home" in before[1]


def test_other_samples_say_nothing_of_these(model, tmp_path):
    sample = Sample(model, 24, 2, batch=8)
    of_others = Annotate(Sample(model, 24, 2, batch=8, seed=1), (Plain(),))
    assert Familiarity.of(sample, (Plain(),)).foreseen([of_others], made(tmp_path, of_others)) == ()


GREY, RED_FOR_GREEN = (0.299, 0.587, 0.114), [1, 2, 0]


@pytest.mark.parametrize("made_of", ["itself", "grey", "other colours"])
def test_where_colours_are_others_the_two_that_know_portraits_disagree_on_what_colours_tell(made_of):
    """Lips are told from skin by their colour; the distance of features stays below its border there."""
    drawn = portraits(200, seed=4).permute(0, 2, 3, 1).numpy()
    grey = np.repeat((drawn @ np.array(GREY)).round().astype(np.uint8)[..., None], 3, axis=3)
    seen = {"itself": drawn, "grey": grey, "other colours": drawn[..., RED_FOR_GREEN].copy()}[made_of]
    first, other = (
        Seen(who, who.load()(seen), np.empty((0, 0))) for who in map(annotator, ("portraits", "portraits-judge"))
    )
    _, found = rows_of([first, other])
    said = list(note(**found))
    assert agreed(found).startswith(f"On {found['n']:,} samples the scores of") and found[
        "agreement_attribute"
    ] in agreed(found)
    assert len(said) == (made_of != "itself") and all("agree on smile" in each for each in said)
    embed, reference = annotator("portraits").embedder(), annotator("portraits").reference()
    assert reference.strange(embed(seen)) < 0.5
