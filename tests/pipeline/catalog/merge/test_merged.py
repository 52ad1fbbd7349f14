"""A merged catalog is a catalog: it opens, explores, compares, and says of everything where it came from."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from pipeline.catalog.compare.comparison import compare
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.explorer.read import findings
from pipeline.catalog.explorer.site import pages
from pipeline.catalog.merge import merged
from pipeline.catalog.merge.merged import merge
from pipeline.catalog.summary import Summary
from pipeline.errors import UserError
from tests.pipeline.catalog.planted_catalog import PlantedCatalog, drawn, smooth, standard
from tests.pipeline.catalog.planted_findings import supervised

RECOMMENDED = {"recommended": {"smile": "smile/ridge", "shine": "shine/ridge"}, "recommended_by": "A rule."}


def second() -> PlantedCatalog:
    """The same but for one vector that is another, one direction that the first does not have, another seed, weaker effects."""
    a, shine = standard(), supervised("shine", "ridge")
    vectors = {**a.vectors, "smile/ridge": drawn("another"), shine["name"]: drawn("shine")}
    more = {
        "sampling": {"seed": 9},
        "judged": ("shine", "age", "smile"),
        "known": {"notes": ["Of the second."], **RECOMMENDED},
    }
    rows = [row for row in a.rows if row["name"] != "age/ridge"]
    return a.but(rows=[*rows, shine], vectors=vectors, effect=lambda *of: 0.9 * smooth(*of), **more)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path, Path]:
    at = tmp_path_factory.mktemp("merged")
    a, b = standard().write(at / "a"), second().write(at / "b")
    merge([a, b], at / "both")
    return a, b, at / "both"


@pytest.fixture(scope="module")
def both(folders) -> DirectionCatalog:
    return DirectionCatalog.open(folders[2])


def test_every_direction_is_there_once_with_its_own_bytes(folders, both):
    a, b, _ = (load_file(folder / "directions.safetensors") for folder in folders)
    found = load_file(folders[2] / "directions.safetensors")
    expected = {**a, "smile/ridge/b": b["smile/ridge"], "shine/ridge": b["shine/ridge"]}
    assert found.keys() == expected.keys() and all(np.array_equal(found[name], expected[name]) for name in expected)
    assert {each.name for each in both.about.directions} == set(expected)
    assert set(both.table("directions.parquet")["name"]) == set(expected)


def test_it_recommends_what_a_catalog_of_it_does_by_the_name_that_it_has_now(folders, both):
    assert both.about.recommended == {"smile": "smile/ridge/b", "shine": "shine/ridge"}
    assert both.about.recommended_by == "A rule." and both["smile"].name == "smile/ridge/b"


def test_its_sums_hold_for_every_file(folders, both):
    assert both.files == {path.name for path in folders[2].iterdir()} - {"SHA256SUMS"}
    assert all(both.read(name) for name in both.files)


def test_figures_are_those_of_the_catalog_that_measured_them(folders, both):
    first, other = (DirectionCatalog.open(folder).table("effects.parquet") for folder in folders[:2])
    found = both.table("effects.parquet").set_index("direction")
    for name, table, before in (("age/ridge", first, "age/ridge"), ("smile/ridge/b", other, "smile/ridge")):
        assert found.loc[[name], "effect"].tolist() == table.loc[table["direction"] == before, "effect"].tolist()
    measured = both.about.evaluations
    assert measured[0].directions == [row["name"] for row in standard().rows]
    assert measured[1].directions == ["smile/ridge/b", "shine/ridge"]
    assert set(found.loc[["smile/ridge/b"], "evaluation"]) == {1}


def test_it_says_where_each_direction_came_from(folders, both):
    origin = both.table("provenance.parquet").set_index("direction")
    assert origin.loc["smile/ridge/b", ["catalog", "name", "seed"]].tolist() == ["b", "smile/ridge", 9]
    assert origin.loc["smile/ridge", ["catalog", "name", "seed"]].tolist() == ["a", "smile/ridge", 0]
    assert set(origin.index) == {each.name for each in both.about.directions}
    assert any(
        note.startswith("b: 2 directions, found on 50 samples of seed 9; evaluations 1;") for note in both.about.notes
    )
    assert "Of the second." in both.about.notes


def test_it_is_read_as_any_catalog(both):
    text = "".join(pages(findings(both)).values())
    assert (
        "smile/ridge/b" in text
        and "provenance.parquet" in text
        and "provenance.parquet" in both.read("README.md").decode()
    )
    assert {each.attribute: each.direction for each in Summary.of(both).recommended} == both.about.recommended


def test_beside_the_first_nothing_has_vanished(folders):
    found = compare(folders[0], folders[2])
    assert all(said.startswith("recommended for ") for said in map(str, found.findings)) and not found.vanished
    assert {each.name for each in found.appeared} == {"smile/ridge/b", "shine/ridge"}


def test_a_merge_of_merges_says_where_directions_came_from_at_first(folders, tmp_path):
    third = PlantedCatalog([supervised("gleam", "ridge")], {"gleam/ridge": drawn("gleam")}, judged=("gleam", "age"))
    found = merge([folders[2], third.write(tmp_path / "c")], tmp_path / "all").table("provenance.parquet")
    rows = {row["direction"]: (row["catalog"], row["name"]) for row in found.to_dict("records")}
    assert rows["smile/ridge/b"] == ("both/b", "smile/ridge") and rows["gleam/ridge"] == ("c", "gleam/ridge")


def test_the_same_inputs_give_the_same_bytes(folders, tmp_path):
    merge(folders[:2], tmp_path / "again")
    assert (tmp_path / "again" / "SHA256SUMS").read_bytes() == (folders[2] / "SHA256SUMS").read_bytes()


def test_directions_of_several_points_keep_all_their_vectors(tmp_path):
    row, points = supervised("smile", "ridge", capture="mid_block+up_blocks.0"), ("mid_block", "up_blocks.0")
    captures = [(point, (8, 2, 2)) for point in points]
    one, other = (
        PlantedCatalog([row], {f"smile/ridge@{point}": drawn(point, seed) for point in points}, captures=captures)
        for seed in (0, 1)
    )
    merge([one.write(tmp_path / "a"), other.write(tmp_path / "b")], tmp_path / "both")
    found = load_file(tmp_path / "both" / "directions.safetensors")
    assert set(found) == {f"smile/ridge{of}@{point}" for of in ("", "/b") for point in points}
    assert np.array_equal(found["smile/ridge/b@up_blocks.0"], drawn("up_blocks.0", 1))


# Whole or not at all


def test_what_is_there_is_not_written_over(folders, tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(UserError, match="is there already, and nothing is merged over"):
        merge(folders[:2], tmp_path / "there")


def test_a_damaged_catalog_leaves_nothing(folders, tmp_path):
    b = second().write(tmp_path / "b")
    (b / "cosines.parquet").write_bytes(b"x")
    with pytest.raises(UserError, match="cosines.parquet has changed since it was published"):
        merge([folders[0], b], tmp_path / "both")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_what_fails_on_the_way_leaves_nothing(folders, tmp_path, monkeypatch):
    def full(path: Path, table: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(merged, "write_table", full)
    with pytest.raises(UserError, match="cannot be written .No space left on device"):
        merge(folders[:2], tmp_path / "both")
    assert list(tmp_path.iterdir()) == []


def test_what_was_written_otherwise_than_meant_is_not_published(folders, tmp_path, monkeypatch):
    """A byte that a disk has turned, between the writing and the publishing."""

    def damaged(sources: object, out: Path, write=merged._write) -> None:
        write(sources, out)
        (out / "README.md").write_text("another")

    monkeypatch.setattr(merged, "_write", damaged)
    with pytest.raises(UserError, match="README.md has changed"):
        merge(folders[:2], tmp_path / "both")
    assert list(tmp_path.iterdir()) == []
