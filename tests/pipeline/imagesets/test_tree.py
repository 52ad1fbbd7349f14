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
    assert file.dangling


def test_a_name_that_is_no_utf8_is_written_out(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).touch()
    [file] = files_below(str(tmp_path), {".jpg"}, Tally())
    assert readable(file.name) == "caf\\xe9.jpg" and os.fsencode(file.name) == b"caf\xe9.jpg"
