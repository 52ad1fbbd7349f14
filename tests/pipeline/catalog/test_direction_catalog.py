"""A catalog's folder is all that a reader needs, and a damaged file is never read in silence."""

import shutil

import pandas as pd
import pytest

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.errors import UserError
from schemas.catalog import Catalog


@pytest.fixture
def folder(tmp_path):
    """Two tables, catalog.json and their sums."""
    import hashlib

    made = tmp_path / "catalog"
    made.mkdir()
    pd.DataFrame({"direction": ["a"], "effect": [1.5]}).to_parquet(made / "effects.parquet")
    (made / "README.md").write_text("A card.\n")
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(made.iterdir())]
    (made / "SHA256SUMS").write_text("".join(sums))
    return made


def test_tables_are_read_from_wherever_the_folder_lies(folder, tmp_path):
    moved = shutil.move(folder, tmp_path / "elsewhere")
    catalog = DirectionCatalog.open(moved)
    assert catalog.table("effects.parquet").to_dict("records") == [{"direction": "a", "effect": 1.5}]
    assert catalog.files == {"effects.parquet", "README.md"} and catalog.optional("transfer.parquet") is None


def test_every_flipped_byte_is_seen(folder):
    content = (folder / "effects.parquet").read_bytes()
    for place in range(0, len(content), 97):
        changed = bytearray(content)
        changed[place] ^= 1
        (folder / "effects.parquet").write_bytes(changed)
        with pytest.raises(UserError, match="effects.parquet has changed since it was published"):
            DirectionCatalog.open(folder).table("effects.parquet")


def test_what_is_missing_or_no_catalog_says_so(folder, tmp_path):
    (folder / "effects.parquet").unlink()
    with pytest.raises(UserError, match="effects.parquet cannot be read"):
        DirectionCatalog.open(folder).table("effects.parquet")
    with pytest.raises(UserError, match="is no catalog: it has no SHA256SUMS"):
        DirectionCatalog.open(tmp_path)
    for damaged in (b"no sum of anything\n", b"\xff\xfe"):
        (tmp_path / "SHA256SUMS").write_bytes(damaged)
        with pytest.raises(UserError, match="has no SHA256SUMS that can be read"):
            DirectionCatalog.open(tmp_path)
    (folder / "extra.parquet").write_bytes(b"")
    with pytest.raises(UserError, match="extra.parquet has changed"):
        DirectionCatalog.open(folder).read("extra.parquet")


def test_a_file_that_is_no_catalog_of_this_release_is_refused(folder):
    import hashlib

    (folder / "catalog.json").write_text('{"schema_version": 1}')
    digest = hashlib.sha256((folder / "catalog.json").read_bytes()).hexdigest()
    with open(folder / "SHA256SUMS", "a") as sums:
        sums.write(f"{digest}  catalog.json\n")
    with pytest.raises(
        UserError, match=f"catalog.json .* of another release.*version {Catalog.model_fields['schema_version'].default}"
    ):
        _ = DirectionCatalog.open(folder).about


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../secret", "..\\secret"])
def test_a_catalog_that_lists_files_elsewhere_is_refused(folder, name):
    """Its sums are right, and a reader that followed them would publish what it was never given."""
    with open(folder / "SHA256SUMS", "a") as sums:
        sums.write(f"{'0' * 64}  {name}\n")
    with pytest.raises(UserError, match="which lies elsewhere"):
        DirectionCatalog.open(folder)
