"""A catalog's folder is all that a reader needs, and a damaged file is never read in silence."""

import shutil

import pandas as pd
import pytest

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.errors import UserError
from tests.pipeline.catalog.planted_catalogs import planted_catalog as planted_folder
from tests.pipeline.catalog.planted_catalogs import planted_model, summed
from tests.pipeline.catalog.planted_findings import T


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
    with pytest.raises(UserError, match="catalog.json .* of another release.*version 5 or 6"):
        _ = DirectionCatalog.open(folder).about


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../secret", "..\\secret"])
def test_a_catalog_that_lists_files_elsewhere_is_refused(folder, name):
    """Its sums are right, and a reader that followed them would publish what it was never given."""
    with open(folder / "SHA256SUMS", "a") as sums:
        sums.write(f"{'0' * 64}  {name}\n")
    with pytest.raises(UserError, match="which lies elsewhere"):
        DirectionCatalog.open(folder)


# Directions


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A whole catalog; do not write into it."""
    folder = tmp_path_factory.mktemp("planted")
    return planted_folder(folder / "catalog", planted_model(folder / "model"))


@pytest.fixture
def catalog(planted):
    return DirectionCatalog.from_pretrained(planted)


NAMES = ["smile/ridge", "smile/ridge/disentangled", "glasses/ridge", "component-0/principal-components"]


def test_an_attribute_is_its_recommended_direction_and_every_direction_has_its_name(catalog):
    assert catalog["smile"] == catalog["smile/ridge/disentangled"] and catalog["smile/ridge"].name == "smile/ridge"
    assert list(catalog) == NAMES and len(catalog) == 4
    assert "smile" in catalog and "smile/ridge" in catalog and "hat" not in catalog
    assert catalog.about.recommended_by == "Planted."


def test_a_direction_says_what_it_is_and_what_it_does(catalog):
    smile = catalog["smile"]
    assert (smile.attribute, smile.method, smile.points, smile.strength_per_sd) == (
        "smile",
        "ridge",
        ("mid_block",),
        2.0,
    )
    assert smile.vector.shape == (T, 16, 4, 4) and smile.vector.dtype == "float32"
    assert smile.effects["effect"].tolist() == [1.5] and smile.profile["on_target"] == 2.0 and smile.warnings == ()
    assert catalog["glasses"].warnings == (
        "Few samples wear them.",
        "Its target does not rise by a standard deviation; at minus that strength it falls by as much.",
    )
    assert catalog["component-0/principal-components"].strength_per_sd is None


@pytest.mark.parametrize(
    "name, said",
    [
        ("smlie", "Did you mean 'smile'"),
        ("smile/rigde", "Did you mean 'smile/ridge'"),
        ("smile/", "smile/ridge"),
        ("hat", "It has 'smile', 'glasses', 'smile/ridge'"),
        ("<script>alert(1)</script>", "no direction '<script>"),
    ],
)
def test_an_unknown_name_is_refused_with_those_that_are_near(catalog, name, said):
    with pytest.raises(UserError, match="has no direction") as error:
        catalog[name]
    assert said in str(error.value)


def test_directions_are_searched_by_what_they_are_and_do(catalog):
    """on_target is 1, 2, 3, 4 and off_target 0, 0.1, 0.2, 0.3 in their order; the component's target is age."""
    found = {
        (): NAMES[::-1],
        ("smile",): NAMES[1::-1],
        ("age",): NAMES[3:],
        (None, "ridge"): NAMES[2::-1],
        (None, None, 2.5): NAMES[3:1:-1],
        (None, None, None, 0.15): NAMES[1::-1],
        ("smile", "ridge", 1.5, 0.15): NAMES[1:2],
        ("smile", None, 9.0): [],
    }
    assert {asked: [each.name for each in catalog.search(*asked)] for asked in found} == found
    with pytest.raises(UserError, match="has the attribute 'smiel'; there are 'smile'"):
        catalog.search("smiel")
    with pytest.raises(UserError, match="has the method 'rigde'; there are 'ridge'"):
        catalog.search(method="rigde")


def test_it_is_a_table_of_a_row_a_direction(catalog):
    table = catalog.to_pandas()
    assert list(table.index) == NAMES
    assert table["recommended"].tolist() == [False, True, True, False]
    assert table.loc["smile/ridge", ["method", "on_target"]].tolist() == ["ridge", 1.0]


def test_only_the_vectors_that_are_asked_for_are_read(planted):
    catalog = DirectionCatalog.from_pretrained(planted)
    smile = catalog["smile"]
    assert "vectors" not in vars(smile) and "_vectors" not in vars(catalog)
    assert smile.vector is smile.vector and "vectors" not in vars(catalog["glasses"])


def test_a_direction_at_two_points_at_once_has_a_vector_at_each(tmp_path):
    folder = planted_folder(tmp_path / "catalog", planted_model(tmp_path / "model"), "mid_block+up_blocks.0")
    smile = DirectionCatalog.from_pretrained(folder)["smile"]
    assert {point: v.shape for point, v in smile.vectors.items()} == {
        "mid_block": (T, 16, 4, 4),
        "up_blocks.0": (T, 16, 8, 8),
    }
    with pytest.raises(UserError, match="at 2 capture points at once: take its `vectors`"):
        _ = smile.vector


def test_a_list_of_sums_that_is_too_long_is_not_read(planted, tmp_path):
    folder = shutil.copytree(planted, tmp_path / "catalog")
    with open(folder / "SHA256SUMS", "ab") as sums:
        sums.truncate(2**20 + 1)
    with pytest.raises(UserError, match="SHA256SUMS has 1,048,577 bytes; expected at most 1,048,576"):
        DirectionCatalog.from_pretrained(folder)


def test_names_with_markup_and_escapes_are_names_and_nothing_else(planted, tmp_path):
    """What a stranger calls a direction comes back as it is from the catalog, and quoted in errors."""
    folder = shutil.copytree(planted, tmp_path / "catalog")
    nasty = "<script>alert(1)</script>\\u001b[31m"
    text = (folder / "catalog.json").read_text().replace("glasses/ridge", nasty)
    (folder / "catalog.json").write_text(text)
    catalog = DirectionCatalog.from_pretrained(summed(folder))
    [name] = [each for each in catalog if "script" in each]
    assert catalog[name].name == name and "\x1b" in name
    with pytest.raises(UserError) as error:
        _ = catalog[name].vector
    assert "\x1b" not in str(error.value)
