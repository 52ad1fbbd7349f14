"""Labels in files: planted in each layout and demanded back; what could mean two things, or nothing, is refused with its row."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.annotators.label_files import LabelTable, read
from pipeline.errors import UserError

CELEBA = """3
5_o_Clock_Shadow Young\x20
000001.jpg -1  1
000002.jpg  1 -1
000003.jpg -1 -1
"""


def written(folder: Path, text: str | bytes, name: str = "labels.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def of(folder: Path, text: str | bytes) -> LabelTable:
    return read(written(folder, text))


def test_celebas_layout_of_signs(tmp_path):
    table = of(tmp_path, CELEBA)
    assert table.by == "file" and table.keys == ("000001.jpg", "000002.jpg", "000003.jpg")
    assert table.attributes == ("5_o_Clock_Shadow", "Young") and table.binary == (True, True)
    np.testing.assert_array_equal(table.values, [[0, 1], [1, 0], [0, 0]])


def test_celebas_boxes_have_a_header_for_the_name_too(tmp_path):
    table = of(tmp_path, "1\nimage_id x_1 y_1 width\n000001.jpg    95  71 226\n")
    assert table.keys == ("000001.jpg",) and table.attributes == ("x_1", "y_1", "width")
    np.testing.assert_array_equal(table.values, [[95, 71, 226]])


@pytest.mark.parametrize("separator", [",", "\t", ";"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_separated_text(tmp_path, separator, mark):
    rows = ["Image ID,hat,age", "a.png,1,31.5", "b/c.png,0,", "d.png,NA,7"]
    table = of(tmp_path, mark + "\r\n".join(rows).replace(",", separator))
    assert table.by == "file" and table.keys == ("a.png", "b/c.png", "d.png")
    assert table.attributes == ("hat", "age") and table.binary == (True, False)
    np.testing.assert_array_equal(table.values, [[1, 31.5], [0, np.nan], [np.nan, 7]])


def test_quoted_cells_may_hold_what_separates(tmp_path):
    assert of(tmp_path, 'file,hat\n"a, b.png",1\n"c\nd.png",0\n').keys == ("a, b.png", "c\nd.png")


def test_parquet_of_every_kind_of_numbers(tmp_path):
    columns = {
        "sample_id": pa.array([7, 0, 12]),
        "int": pa.array([-1, 1, None], pa.int8()),
        "bool": pa.array([True, None, False]),
        "double": pa.array([0.25, float("nan"), 3.0]),
        "text": pa.array(["1", "", "0"]),
        "dictionary": pa.array(["1", "2", "3"]).dictionary_encode(),
    }
    pq.write_table(pa.table(columns), tmp_path / "labels.parquet")
    table = read(tmp_path / "labels.parquet")
    assert table.by == "sample_id" and table.keys == (7, 0, 12)
    assert dict(zip(table.attributes, table.binary, strict=True)) == {
        "int": True,
        "bool": True,
        "double": False,
        "text": True,
        "dictionary": False,
    }
    nan = np.nan
    np.testing.assert_array_equal(table.values, [[0, 1, 0.25, 1, 1], [1, nan, nan, nan, 2], [nan, 0, 3, 0, 3]])


def test_a_file_is_known_by_what_is_in_it(tmp_path):
    pq.write_table(pa.table({"file": ["a"], "x": [2]}), tmp_path / "labels.csv")
    assert read(tmp_path / "labels.csv").keys == ("a",)


@pytest.mark.parametrize(
    ("cells", "binary"),
    [
        ("0 1", True),
        ("-1 1", True),
        ("True false", True),
        ("1 1", True),
        ("-1 0", False),
        ("0 2", False),
        ("0 .5", False),
    ],
)
def test_which_attributes_are_binary(tmp_path, cells, binary):
    first, second = cells.split()
    assert of(tmp_path, f"file,x\na,{first}\nb,{second}\n").binary == (binary,)


def test_minus_one_beside_nought_stays_as_it_is(tmp_path):
    np.testing.assert_array_equal(of(tmp_path, "file,x\na,-1\nb,0\nc,1\n").values, [[-1], [0], [1]])


def test_names_are_those_of_a_folder_on_any_system(tmp_path):
    assert of(tmp_path, "path,x\n./a.png,1\nb\\c.png,0\n").keys == ("a.png", "b/c.png")
    assert of(tmp_path, 'path,x\n" a//b.png",1\n').keys == ("a/b.png",)


def test_numbers_may_be_names(tmp_path):
    pq.write_table(pa.table({"image_id": [15970.0, 3.0], "x": [1, 0]}), tmp_path / "labels.parquet")
    assert read(tmp_path / "labels.parquet").keys == ("15970", "3")


def test_of_several_keys_the_first_of_the_rule_or_the_one_that_is_named(tmp_path):
    path = written(tmp_path, "name,sample_id,x\na,3,1\nb,4,0\n")
    assert read(path).keys == (3, 4) and read(path).left_out["name"] == "it says which row this is"
    assert read(path, key="name").keys == ("a", "b") and read(path, key="name").attributes == ("x",)
    assert read(written(tmp_path, "who,x\na,3\n"), key="who").keys == ("a",)
    with pytest.raises(UserError, match="no column 'whom'; it has name, sample_id, x"):
        read(written(tmp_path, "name,sample_id,x\na,3,1\n"), key="whom")


def test_what_is_no_attribute_is_said(tmp_path):
    table = of(tmp_path, ",file,note,nothing,x\n0,a,good,,1\n1,b,bad,,0\n")
    assert table.attributes == ("x",)
    assert table.left_out == {
        "": "it says which row this is",
        "note": "it holds text, such as 'good'",
        "nothing": "no row has a value of it",
    }


def test_attributes_are_called_what_directions_can_be(tmp_path):
    assert of(tmp_path, "file,5 o'clock shadow,age (years)\na,1,2\n").attributes == ("5_o_clock_shadow", "age_years")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,x\na,1\nb,2,3\n", "row 2 has 3 cells and not 2"),
        ("file,x,y\na,1,2\nb,2\n", "row 2 has 2 cells and not 3"),
        ("file,x\na,1\nb,2\na,3\n", "rows 1 and 3 are both of 'a'"),
        ("file,x\na,1\n./a,2\n", "rows 1 and 2 are both of 'a'"),
        ("who,x\na,1\n", "does not say which image a row is of: it has the columns who, x"),
        ("file,File,x\na,b,1\n", "2 columns called file"),
        ("file,x\na,hi\n", "no attribute: expected columns of numbers.*\nx: it holds text, such as 'hi'"),
        ("file\na\n", "no attribute"),
        ("file,x\na,1\nb,2\nc,oops\n", "x is no number in row 3 \\('oops'\\)"),
        ("file,x\na,1\nb,inf\n", "x is infinite, or beyond float32, in row 2"),
        ("file,x\na,1e39\n", "x is infinite, or beyond float32, in row 1"),
        ("file,x\na,1\n,2\n ,3\n", "file is missing in rows 2, 3"),
        ("sample_id,x\n1,1\n-2,2\n1.5,3\n", "sample_id is no whole number in rows 2 \\('-2'\\), 3 \\('1.5'\\)"),
        ("file,a b,a_b\na,1,2\n", "two columns that would both be called a_b"),
        ("file,x,x\na,1,2\n", "two columns that would both be called x"),
        ("file,&?\na,1\n", "no attribute can be called '&\\?'"),
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("file,x\n", "has no row"),
        ("4\nx\na 1\n", "says that it has 4 rows, and has 1"),
        ("2\nx y\na 1 2\nb 1\n", "row 2 has 2 cells and not 3"),
        ("file,x\na,1\n".encode("utf-16"), "neither Parquet nor text in UTF-8 \\(line 1\\)"),
        ("file,x\na,1\n".encode("utf-16-le"), "neither Parquet nor text in UTF-8 \\(it holds zeros\\)"),
        ("file,x\na,1\né,1\n".encode("latin-1"), "neither Parquet nor text in UTF-8 \\(line 3\\)"),
        (b"PAR1 and nothing more", "cannot be read as Parquet"),
    ],
)
def test_what_is_refused(tmp_path, text, said):
    path = written(tmp_path, text)
    with pytest.raises(UserError, match=said) as refused:
        read(path)
    assert str(refused.value).startswith(str(path))


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="is a folder; expected a table"):
        read(tmp_path)
    with pytest.raises(UserError, match="is not there; expected a table"):
        read(tmp_path / "labels.csv")
