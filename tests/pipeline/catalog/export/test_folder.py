"""An export is there whole or not at all, and nothing that is not its own is written over, or through."""

import os
from pathlib import Path

import pytest

from pipeline.catalog.export.folder import MARK, written
from pipeline.errors import UserError


def export(out: Path, content: str = "new", to: str = "npz") -> None:
    with written(out, to) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "a.txt").write_text(content)


def listing(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_it_makes_the_folder_and_those_above_it(tmp_path):
    export(tmp_path / "x" / "y")
    assert listing(tmp_path / "x") == {"y", "y/sub", "y/sub/a.txt", f"y/{MARK}"}


def test_it_replaces_an_earlier_export_as_a_whole(tmp_path):
    with written(tmp_path / "out", "npz") as folder:
        (folder / "old.txt").write_text("old")
    export(tmp_path / "out")
    assert listing(tmp_path) == {"out", "out/sub", "out/sub/a.txt", f"out/{MARK}"}


def test_what_fails_leaves_what_was_there_and_nothing_else(tmp_path):
    export(tmp_path / "out", "old")
    for out in (tmp_path / "out", tmp_path / "new"):
        with pytest.raises(RuntimeError), written(out, "npz") as folder:
            (folder / "half.txt").write_text("half")
            raise RuntimeError
    assert (tmp_path / "out" / "sub" / "a.txt").read_text() == "old" and os.listdir(tmp_path) == ["out"]


def test_a_folder_comes_back_where_its_replacement_cannot_be_put_in_place(tmp_path, monkeypatch):
    export(tmp_path / "out", "old")
    rename = os.rename

    def failing(source, target):
        if Path(source).name == "made":
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(UserError, match="No space left"):
        export(tmp_path / "out")
    assert (tmp_path / "out" / "sub" / "a.txt").read_text() == "old" and os.listdir(tmp_path) == ["out"]


def test_an_empty_folder_may_be_filled(tmp_path):
    (tmp_path / "out").mkdir()
    export(tmp_path / "out")
    assert (tmp_path / "out" / "sub" / "a.txt").read_text() == "new"


def test_what_no_export_wrote_is_left_alone(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    export(tmp_path / "other", to="parquet")
    export(tmp_path / "added")
    (tmp_path / "added" / "sub" / "thesis.txt").write_text("mine")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / MARK).write_text("[]")
    before = listing(tmp_path)
    for name, why in {
        "file": "it is a file",
        "mine": "it holds thesis.txt, which no export wrote",
        "other": "it is an export to parquet",
        "added": "it holds sub/thesis.txt, which no export wrote",
        "damaged": "which no export wrote",
        "..": "no name of its own",
    }.items():
        with pytest.raises(UserError, match=why):
            export(tmp_path / name)
    assert listing(tmp_path) == before


def test_nothing_is_written_through_a_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "nowhere").symlink_to(tmp_path / "absent")
    for name in ("link", "nowhere"):
        with pytest.raises(UserError, match="it is a link"):
            export(tmp_path / name)
    export(tmp_path / "out")
    (tmp_path / "out" / "sub" / "a.txt").unlink()
    (tmp_path / "out" / "sub" / "a.txt").symlink_to(tmp_path / "victim")
    (tmp_path / "victim").write_text("mine")
    export(tmp_path / "out")
    assert (tmp_path / "victim").read_text() == "mine" and not (tmp_path / "out" / "sub" / "a.txt").is_symlink()
    (tmp_path / "out" / "more").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="it holds more, which no export wrote"):
        export(tmp_path / "out")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_what_appears_meanwhile_is_left_alone(tmp_path):
    with pytest.raises(UserError, match="it is a link"), written(tmp_path / "out", "npz"):
        (tmp_path / "out").symlink_to(tmp_path)
    assert os.listdir(tmp_path) == ["out"]
