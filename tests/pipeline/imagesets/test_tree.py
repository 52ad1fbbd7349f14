"""A tree of files: the order of paths, what is left out and counted, and nothing that is opened."""

import os
import socket

from pipeline.imagesets.tree import Tally, files_below, readable


def walked(root, suffixes=(".jpg",)) -> tuple[list[str], dict[str, int]]:
    tally = Tally()
    names = [file.name for file in files_below(str(root), set(suffixes), tally)]
    return names, tally.counts


def test_files_come_in_the_order_of_their_whole_paths(tmp_path):
    paths = ["a/z.jpg", "a-b.jpg", "a.jpg", "a/b/c.jpg", "a/b.jpg", "a0.jpg", "B.JPG", "a/b-c/d.jpg"]
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert walked(tmp_path) == (sorted(paths), {})


def test_whatever_is_left_out_is_counted_by_kind(tmp_path):
    for folder in ("@eaDir/a.jpg", ".thumbnails", "__MACOSX", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "SYNOPHOTO_THUMB_M.jpg").touch()
    for name in ("a.jpg", "b.heic", "c.HEIC", "d.cr2", "e.txt", "README", "._a.jpg"):
        (tmp_path / name).touch()
    os.mkfifo(tmp_path / "pipe.jpg")
    socket.socket(socket.AF_UNIX).bind(os.path.relpath(tmp_path / "socket.jpg"))
    (tmp_path / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "linked.jpg").symlink_to(tmp_path / "a.jpg")
    (tmp_path / "nowhere.txt").symlink_to(tmp_path / "gone.txt")
    names, counts = walked(tmp_path)
    assert names == ["a.jpg", "elsewhere/SYNOPHOTO_THUMB_M.jpg", "linked.jpg"]
    assert counts == {
        "folders @eaDir": 1,
        "folders __MACOSX": 1,
        "hidden folders": 1,
        "hidden files": 1,
        "HEIC images, which are not read here": 2,
        "raw images, which are not read here": 1,
        ".txt files": 1,
        "files without a suffix": 1,
        "pipes, sockets and devices": 2,
        "linked folders": 1,
        "links to nothing": 1,
    }


def test_a_link_to_nothing_that_is_called_an_image_is_one_that_is_broken(tmp_path):
    (tmp_path / "a.jpg").symlink_to(tmp_path / "gone.jpg")
    [file] = files_below(str(tmp_path), {".jpg"}, Tally())
    assert file.fault == "a link to a file that is not there"


def test_a_name_that_is_no_utf8_is_written_out(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).touch()
    [file] = files_below(str(tmp_path), {".jpg"}, Tally())
    assert readable(file.name) == "caf\\xe9.jpg" and os.fsencode(file.name) == b"caf\xe9.jpg"


def test_numbers_behind_a_dot_are_no_kinds_and_many_kinds_are_summed_up(tmp_path):
    for i in range(30):
        (tmp_path / f"IMG.{i:06d}").touch()
    assert walked(tmp_path) == ([], {"files of other kinds": 30})
    for i in range(25):
        for name in range(1 if i < 24 else 3):
            (tmp_path / f"{name}.a{i:02d}").touch()
    tally = Tally()
    tally.lose("Parquet files that cannot be read", "z.parquet", 7)
    assert list(files_below(str(tmp_path), {".jpg"}, tally)) == []
    found = tally.left_out()
    assert [each.what for each in found[:-1]] == sorted(
        ["Parquet files that cannot be read", *(f".a{i:02d} files" for i in [*range(18), 24]), "files of other kinds"]
    )
    assert found[-1] == ("files or folders of 6 more kinds", 6, "0.a18")
