"""Unedited samples that were drawn once are those that each edit would have drawn, but for rounding."""

import dataclasses

import numpy as np
import pytest

from pipeline.engine.stage import whole
from pipeline.errors import UserError
from pipeline.formats.images import decode
from pipeline.stages.measures.edit import Edit
from pipeline.stages.measures.held_out import HeldOut


@pytest.fixture(scope="module")
def drawn(sources) -> HeldOut:
    """Twelve samples of two seeds, in parts of 16."""
    return HeldOut(sources.sample, n=12, seeds=2)


@pytest.fixture(scope="module")
def edit(sources, finders, drawn) -> Edit:
    """Nine of a seed: some of either part."""
    return Edit(sources.sample, (finders.difference,), (1.0,), 9, 2, drawn=drawn)


def test_an_edit_has_the_counterparts_that_it_would_have_drawn(edit, made_of):
    alone = dataclasses.replace(edit, drawn=None)
    store = made_of(edit, alone)
    shared, own = edit.unedited(store), alone.unedited(store)
    assert shared.drop(["image"]).equals(own.drop(["image"])) and len(shared) == 18
    assert np.abs(decode(shared).astype(int) - decode(own)).max() <= 1
    assert [len(store.table(edit, "edits.parquet", part)) for part in edit.unedited_parts] == [16, 2]


def test_they_are_read_and_not_drawn_again(edit, drawn, made_of, monkeypatch):
    assert list(edit.needs(0)) == list(whole(drawn)) and drawn not in dict(edit.needs(2))
    fresh = dataclasses.replace(edit, strengths=(0.25,))
    parts = []
    monkeypatch.setattr(Edit, "_sample", lambda self, *rows: parts.append(self) or original(self, *rows))
    made_of(fresh)
    assert len(parts) == fresh.n_parts - len(fresh.unedited_parts)


original = Edit._sample


@pytest.mark.parametrize("change", [{"n": 13}, {"seeds": 3}, {"sample": "another"}])
def test_samples_that_were_not_drawn_are_refused(edit, sources, change):
    other = dataclasses.replace(sources.sample, seed=5)
    with pytest.raises(UserError, match="drawn of another source, or fewer of them"):
        dataclasses.replace(edit, **{key: other if key == "sample" else value for key, value in change.items()}).check()
