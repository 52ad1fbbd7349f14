"""A folder of annotations, as it is published, is what the report is made of."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.catalog.prevalence.read import scored_images
from pipeline.errors import UserError

COLUMNS = [("my.net", "a.b", 0.5), ("hand", "a.b", float("nan"))]


@pytest.fixture
def folder(tmp_path):
    scores = {"my.net.a.b": pa.array([0.25, None], pa.float32()), "hand.a.b": pa.array([1, 0], pa.float32())}
    pq.write_table(pa.table({"name": ["x.png", "y.png"], "id": [0, 1], **scores}), tmp_path / "images.parquet")
    pq.write_table(pa.table({"name": ["z"], "kind": ["empty"], "reason": ["0 bytes"]}), tmp_path / "broken.parquet")
    return tmp_path


def test_columns_are_those_that_are_named_whatever_stands_in_their_names(folder):
    found = scored_images(folder, COLUMNS, "a set", labels={"hand"})
    assert (found.of, found.n, found.annotators) == ("a set", 2, ["my.net", "hand"])
    assert [each.labels for each in found.columns] == [False, True]
    np.testing.assert_array_equal(found.values(found.columns[0]), [0.25, np.nan])
    assert found.broken.to_dict("records") == [{"name": "z", "kind": "empty", "reason": "0 bytes"}]


def test_what_is_no_folder_of_annotations_is_refused(folder, tmp_path):
    with pytest.raises(UserError, match="has no scores net.c; it has name, id, my.net.a.b"):
        scored_images(folder, [*COLUMNS, ("net", "c", 0.0)], "a set")
    with pytest.raises(UserError, match="holds no annotations that can be read"):
        scored_images(tmp_path / "elsewhere", COLUMNS, "a set")
