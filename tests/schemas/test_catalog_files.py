import pytest

from schemas.formats import PUBLISHED
from schemas.published import CATALOG_FILES, files_of


def test_every_table_of_a_catalog_has_a_schema_that_is_published():
    tables = [file.name for file in CATALOG_FILES if file.name.endswith(".parquet")]
    assert sorted(tables) == sorted(name for name, _, _ in PUBLISHED)


def test_what_not_every_catalog_has_is_named_where_it_is_there():
    always = [file.name for file in files_of([])]
    assert "effects.parquet" in always and "transfer.parquet" not in always
    names = [file.name for file in files_of(["transfer.parquet"])]
    assert [name for name in names if name not in always] == ["transfer.parquet"]
    assert names == [file.name for file in CATALOG_FILES if file.name in names], "in the order of all"


def test_a_file_that_no_catalog_has_is_refused():
    with pytest.raises(ValueError, match="transfers.parquet is no file that a catalog may have"):
        files_of(["transfers.parquet"])
