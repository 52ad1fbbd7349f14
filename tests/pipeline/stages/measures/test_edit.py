"""Rows of many directions and strengths share batches, and each is what it would be alone."""

import dataclasses

import numpy as np
import pytest
import torch

from pipeline.engine.stage import one
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.formats.images import decode
from pipeline.hspace.edits import Add
from pipeline.stages.finders.random_directions import RandomDirections
from pipeline.stages.measures.edit import Edit
from pipeline.stages.sources.sample_ids import MOST_HELD_OUT, held_out


@pytest.fixture(scope="module")
def edit(sources, finders) -> Edit:
    """Seven directions at three strengths on 2 x 2 samples: 84 rows after the 4 unedited, in parts of 16."""
    control = RandomDirections(sources.sample, (finders.difference,), 4)
    return Edit(sources.sample, (finders.difference, control), (-1.0, 0.5, 2.0), 2, 2)


@pytest.fixture(scope="module")
def edits(edit, made_of) -> Store:
    return made_of(edit)


def test_parts_hold_all_rows_in_order(edit, edits):
    assert (edit.n_parts, list(edit.unedited_parts)) == (1 + 6, [0])
    tables = [edits.table(edit, "edits.parquet", part).to_pandas() for part in range(7)]
    assert [len(table) for table in tables] == [4, 16, 16, 16, 16, 16, 4]
    ids = [held_out(seed, i) for seed in (0, 1) for i in (0, 1)]
    expected = [(name, i, gamma) for name in edit.names for i, gamma in enumerate(edit.strengths)]
    for table, of_edit in zip(edit.edited(edits), expected, strict=True):
        rows = table.to_pandas()
        assert set(rows[["direction", "strength_index", "strength"]].itertuples(index=False, name=None)) == {of_edit}
        assert rows["sample_id"].tolist() == ids
    assert set(edit.unedited(edits)["strength_index"].to_pylist()) == {-1}
    assert edit.unedited(edits)["sample_id"].to_pylist() == ids
    assert edit.unedited(edits)["seed"].to_pylist() == [0, 0, 1, 1]


def test_a_row_is_what_it_is_alone(edit, edits):
    loaded, source = edit.setup(), edit.sample
    vectors = {name: v for finder in edit.finders for name, v in edits.vectors(finder).items()}
    for i, table in enumerate(edit.edited(edits)):
        if i % 5:
            continue
        name, gamma = (table[column][0].as_py() for column in ("direction", "strength"))
        noise = source.noise(loaded, table["sample_id"].to_pylist())
        alone = source.reverse_process.run(loaded.denoiser, noise, [Add(torch.from_numpy(vectors[name]), gamma)])
        assert np.abs(decode(table).astype(int) - loaded.to_images(alone)).max() <= 1  # another batch, so rounding


def test_a_part_needs_only_the_directions_that_it_applies(edit):
    assert not list(edit.needs(0))
    assert list(edit.needs(1)) == list(edit.needs(2)) == [one(edit.finders[0])]
    assert list(edit.needs(3)) == [one(edit.finders[0]), one(edit.finders[1])]
    assert list(edit.needs(4)) == list(edit.needs(6)) == [one(edit.finders[1])]


def test_counterparts_are_looked_for_where_they_are(edit):
    """70 samples of 3 seeds, 210 in all, in parts of 16: part 14 holds the edits of samples 0 to 15, part 15 those after them."""
    large = dataclasses.replace(edit, n=70, seeds=3)
    assert list(large.unedited_parts) == list(range(14))
    assert large.counterparts_of(14) == [0] and large.counterparts_of(15) == [1]
    assert large.counterparts_of(27) == [0, 13], "the end of one edit and the beginning of the next"
    assert large.counterparts_of(3) == [3], "unedited samples are their own"


def test_two_directions_of_one_name_are_refused(edit):
    with pytest.raises(UserError, match="Two finders both make smile/mean-difference, age/mean-difference"):
        dataclasses.replace(edit, finders=(edit.finders[0], edit.finders[0])).check()


def test_controls_are_marked(edit, edits):
    for table in edit.edited(edits):
        assert set(table["control"].to_pylist()) == {table["direction"][0].as_py().startswith("random")}
    assert len(edit.random) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 1}, "1 held-out samples: expected at least 2"),
        ({"strengths": (1.0, 0.0)}, "other than 0"),
        ({"strengths": (1.0, 1.0)}, "Each strength is measured once"),
        ({"seeds": 0}, "0 seeds of 2 held-out samples"),
        ({"n": MOST_HELD_OUT + 1}, "expected 1 to 500 of at most"),
    ],
)
def test_what_cannot_work_is_refused(edit, change, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(edit, **change).check()
