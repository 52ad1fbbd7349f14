"""Labels in a table: whose row is whose, what they are recognised by, and what a table cannot do."""

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.annotators import registry
from pipeline.annotators.base import Labels, check_size
from pipeline.annotators.border import lookup
from pipeline.annotators.names import check_annotator
from pipeline.annotators.registry import annotator
from pipeline.errors import UserError
from pipeline.fingerprint import fingerprint, settings
from pipeline.recipes.judges import check_judges
from schemas.annotated_images import annotated_images

ROWS = ("image,hat,age", "cat,1,31.5", "b/c.png,0,", "d.png,,7")


def written(folder: Path, *rows: str, name: str = "labels.csv") -> Path:
    (folder / name).write_text("\n".join(rows) + "\n")
    return folder / name


def labels(path: Path, settings: str = ""):
    return annotator(f"table:{path}{settings}")


def test_is_an_annotator_that_knows_images_by_name(tmp_path):
    table = labels(written(tmp_path, *ROWS))
    check_annotator(table, "here")
    assert isinstance(table, Labels) and not isinstance(annotator("pixels"), Labels)
    assert (table.name, table.attributes, table.thresholds[0]) == ("labels", ("hat", "age"), 0.5)
    assert np.isnan(table.thresholds[1]), "of years it is not said where many begin"
    assert table.describes == "Labels of 3 images by file, in labels.csv."
    assert any(line.startswith("table:FILE: ") for line in registry.listing())


def test_its_name_is_that_of_the_file_or_a_given_one(tmp_path):
    path = written(tmp_path, *ROWS, name="my labels (1).csv")
    assert labels(path).name == "my_labels_1"
    assert labels(path, "+name=hand").name == "hand"


def test_labels_are_those_of_the_name(tmp_path):
    nan = np.nan
    found = lookup(labels(written(tmp_path, *ROWS)))(range(5), ["d.png", "x/cat.jpg", "a/b/c.png", "c.png", None])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[nan, 7], [1, 31.5], [0, nan], [nan, nan], [nan, nan]])


def test_the_longest_name_is_taken(tmp_path):
    table = labels(written(tmp_path, "file,x", "c.png,1", "b/c.png,2", "c,3"))
    found = lookup(table)(range(4), ["b/c.png", "a/b/c.png", "a/c.png", "a/c.jpg"])
    np.testing.assert_array_equal(found[:, 0], [2, 2, 1, 3])


def test_of_names_with_as_many_folders_the_one_with_the_ending_is_taken(tmp_path):
    table = labels(written(tmp_path, "file,x", "cat.jpg,1", "b/cat,2", "a/cat,3", "a/cat.jpg,4"))
    found = lookup(table)(range(4), ["b/cat.jpg", "a/cat.jpg", "a/cat.PNG", "c/cat.jpg"])
    np.testing.assert_array_equal(found[:, 0], [2, 4, 3, 1])


def test_a_row_of_a_file_is_no_ending(tmp_path):
    table = labels(written(tmp_path, "file,x", "train,1", "b/train.parquet:3,2", "0001,3"))
    found = lookup(table)(range(4), ["train.parquet:12", "b/train.parquet:3", "b/train.parquet:4", "a.tar/0001.webp"])
    np.testing.assert_array_equal(found[:, 0], [np.nan, 2, np.nan, 3])


@pytest.mark.parametrize(
    "name", ["caf\\xe9.png", "of caf\\xe9/b.png", " lead.png", "a/ lead.png", "trail .png", "a /b.png", "b\\c.png"]
)
def test_a_name_that_was_written_into_a_table_is_found_again(tmp_path, name):
    pq.write_table(pa.table({"name": [name, "other.png"], "x": [7.0, 1.0]}), tmp_path / "images.parquet")
    table = labels(tmp_path / "images.parquet")
    np.testing.assert_array_equal(lookup(table)([0, 1], [name, f"below/{name}"]), [[7], [7]])
    (tmp_path / "labels.csv").write_text(f"name,x\n{name.removesuffix('.png')},7\n")
    np.testing.assert_array_equal(lookup(labels(tmp_path / "labels.csv"))([0], [name]), [[7]])


def test_labels_are_those_of_the_number(tmp_path):
    table = labels(written(tmp_path, "sample_id,x", "3,7", "0,5"))
    np.testing.assert_array_equal(lookup(table)([0, 1, 3], ["3", "0", None])[:, 0], [5, np.nan, 7])


def test_no_image_has_no_label(tmp_path):
    assert lookup(labels(written(tmp_path, *ROWS)))([], []).shape == (0, 2)


def test_a_table_is_recognised_by_its_labels_alone(tmp_path):
    first = labels(written(tmp_path, "image,hat,age", "a,1,3", "b,0,"))
    reordered = labels(written(tmp_path, "image,hat,age", "b,false,", "a,true,3.0", name="labels.tsv"))
    assert fingerprint(settings(reordered)) == fingerprint(settings(first))
    for rows in (("a,1,3", "b,0,1"), ("a,1,3", "c,0,"), ("a,0,3", "b,0,"), ("a,1,3",)):
        other = labels(written(tmp_path, "image,hat,age", *rows, name="labels.tsv"))
        assert fingerprint(settings(other)) != fingerprint(settings(first)), rows


def test_it_travels_as_what_it_is(tmp_path):
    table = labels(written(tmp_path, *ROWS))
    travelled = pickle.loads(pickle.dumps(table))
    assert travelled == table and fingerprint(settings(travelled)) == fingerprint(settings(table))


def test_labels_that_have_changed_since_are_refused(tmp_path):
    table = labels(written(tmp_path, *ROWS))
    written(tmp_path, *ROWS[:-1])
    registry.imported("pipeline.annotators.table:_labels").cache_clear()  # as a worker has none yet
    with pytest.raises(UserError, match="labels.csv has changed since it was first read"):
        table.lookup()


def test_what_is_no_attribute_is_a_note(tmp_path):
    table = labels(written(tmp_path, "file,x,note", "a,1,good"))
    assert table.notes == ("labels.csv: the column 'note' is no attribute: it holds text, such as 'good'.",)


def test_a_column_that_is_named_is_the_key(tmp_path):
    table = labels(written(tmp_path, "who,x", "a,1"), "+key=who")
    np.testing.assert_array_equal(lookup(table)([0], ["a.png"]), [[1]])
    with pytest.raises(UserError, match="no column 'whom'"):
        labels(tmp_path / "labels.csv", "+key=whom")


# What it cannot do


def test_images_must_be_those_of_the_table(tmp_path):
    table = labels(written(tmp_path, *ROWS))
    table.check_known(range(3), ["cat.png", "other.png", "more.png"])
    with pytest.raises(
        UserError, match="labels none of the 2 images: it has cat, b/c.png, d.png, and they are x.png, y.png"
    ):
        table.check_known(range(2), ["x.png", "y.png"])
    with pytest.raises(UserError, match="the row of 'cat' could be of 2 images, a/cat.jpg, b/cat.jpg"):
        table.check_known(range(3), ["a/cat.jpg", "d.png", "b/cat.jpg"])
    with pytest.raises(UserError, match="labels images by file name, and samples made from noise have none"):
        table.check_known(range(2), [None, None])


def test_numbers_must_be_those_of_the_samples(tmp_path):
    table = labels(written(tmp_path, "sample_id,x", "300,7"))
    table.check_known(range(301), [None] * 301)
    with pytest.raises(UserError, match="labels none of the 300 images: it has 300, and they are 0, 1, 2 ..."):
        table.check_known(range(300), [None] * 300)


def test_it_scores_no_images(tmp_path):
    table = labels(written(tmp_path, *ROWS))
    for refused in (table.load, lambda: check_size(8, 8, table)):
        with pytest.raises(UserError, match="'labels' labels images by their names, and looks at none"):
            refused()
    with pytest.raises(UserError, match="'labels' cannot judge: it knows images by their names"):
        check_judges(annotator("pixels"), (table,), ("age",))


def test_the_table_of_a_set_s_annotations_has_the_borders_of_who_scored(tmp_path):
    scored = [("net", "smile", -0.25), ("net", "age", float("nan")), ("net", "there", 0.9)]
    rows = [["a.png", "b.png"], [0, 1], *(np.array(each, np.float32) for each in ([-1.5, 2.0], [30, 41], [0, 1]))]
    pq.write_table(pa.table(rows, schema=annotated_images(scored)), tmp_path / "images.parquet")
    table = labels(tmp_path / "images.parquet")
    assert table.attributes == ("net.smile", "net.age", "net.there")
    assert table.thresholds[::2] == (-0.25, 0.9) and np.isnan(table.thresholds[1])
    assert pickle.loads(pickle.dumps(table)).thresholds[0] == -0.25

    plain = pa.table(rows, names=annotated_images(scored).names)
    pq.write_table(plain, tmp_path / "images.parquet")
    without = labels(tmp_path / "images.parquet")
    assert np.isnan(without.thresholds[0]) and without.thresholds[2] == 0.5, "0 and 1, of which nothing else is said"
    assert fingerprint(settings(without)) != fingerprint(settings(table)), "other borders, other sides"
