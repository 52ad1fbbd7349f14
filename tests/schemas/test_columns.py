"""Every column says what it means, on disk too; rows that do not fit their schema are refused by name."""

import importlib
import pkgutil

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import schemas
from schemas.activations import activations_schema
from schemas.columns import column, meaning_of, table_of, table_of_frame, unit_of
from schemas.effects import EFFECTS

PLANTS = pa.schema(
    [
        column("name", pa.string(), "What it is called.", required=True),
        column("height", pa.float32(), "How tall it is.", unit="m"),
    ]
)


def all_schemas() -> dict[str, pa.Schema]:
    modules = [importlib.import_module(f"schemas.{each.name}") for each in pkgutil.iter_modules(schemas.__path__)]
    named = {name: each for module in modules for name, each in vars(module).items() if isinstance(each, pa.Schema)}
    return {**named, "ACTIVATIONS": activations_schema((3, 2, 2))}


@pytest.mark.parametrize("name", all_schemas())
def test_every_column_has_a_meaning_in_whole_sentences(name):
    for field in all_schemas()[name]:
        assert meaning_of(field)[0].isupper() or meaning_of(field)[0] in '1"', field.name
        assert meaning_of(field).endswith("."), field.name


def test_a_file_says_what_its_columns_mean(tmp_path):
    pq.write_table(EFFECTS.empty_table(), tmp_path / "effects.parquet")
    read = pq.read_schema(tmp_path / "effects.parquet")
    assert read.equals(EFFECTS, check_metadata=True)
    assert unit_of(read.field("effect")) == "standard deviations of the attribute"


def test_only_what_is_not_required_may_be_null():
    assert [field.nullable for field in PLANTS] == [False, True]
    assert (unit_of(PLANTS.field("name")), unit_of(PLANTS.field("height"))) == ("", "m")


def test_rows_become_a_table():
    table = table_of([{"name": "oak", "height": 30.0}, {"name": "moss"}], PLANTS)
    assert table.schema.equals(PLANTS, check_metadata=True)
    assert table.to_pylist() == [{"name": "oak", "height": 30.0}, {"name": "moss", "height": None}]
    assert table_of([], PLANTS).num_rows == 0


def test_a_frame_becomes_a_table():
    frame = pd.DataFrame({"height": [30.0, float("nan")], "name": ["oak", "moss"]}, index=[7, 8])
    table = table_of_frame(frame, PLANTS)
    assert table.schema.equals(PLANTS, check_metadata=True)
    assert table.to_pylist() == [{"name": "oak", "height": 30.0}, {"name": "moss", "height": None}]
    assert table_of_frame(frame[["name"]], PLANTS)["height"].to_pylist() == [None, None]


@pytest.mark.parametrize(
    "row, said",
    [
        ({"name": "oak", "hieght": 30.0}, "hieght, which the schema does not have. Its columns: name, height"),
        ({"height": 30.0}, "no value of name"),
        ({"name": None}, "no value of name"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(row, said):
    with pytest.raises(ValueError, match=f"Row 1 has {said}"):
        table_of([{"name": "moss"}, row], PLANTS)
    with pytest.raises(ValueError, match=f"The table has {said}"):
        table_of_frame(pd.DataFrame([row]), PLANTS)


def test_what_is_inside_a_row_is_checked_too():
    inner = pa.struct([pa.field("q", pa.int32(), nullable=False), pa.field("r", pa.int32())])
    schema = pa.schema([column("one", inner, "One."), column("many", pa.list_(inner), "Many.")])
    assert table_of([{"one": {"q": 1}, "many": [{"q": 2, "r": 3}]}, {}], schema).num_rows == 2
    with pytest.raises(ValueError, match="Row 0, many has Q, which the schema does not have"):
        table_of([{"many": [{"q": 1}, {"Q": 1}]}], schema)
    with pytest.raises(ValueError, match="Row 0, one has no value of q"):
        table_of([{"one": {"r": 1}}], schema)
