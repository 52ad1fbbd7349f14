"""Annotations of images by the thousand: what is planted comes back, broken ones are left out, and a kill changes nothing."""

import errno
import os
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.annotators.base import Scorer
from pipeline.annotators.pixels import Pixels
from pipeline.annotators.registry import annotator
from pipeline.domains.portraits.render import render, sample_factors
from pipeline.engine.plan import plan
from pipeline.engine.pool import InProcess
from pipeline.engine.runner import RunFailed, run
from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.imagesets import image_set
from pipeline.recipes.annotations import annotations
from pipeline.stages.publish_annotations import PublishAnnotations
from pipeline.stages.sources import list_images
from schemas.samples import IMAGE
from tests.pipeline.imagesets.broken_files import KINDS_OF, encoded, noise, write_broken
from tests.pipeline.making import Silent, made

N = 70


@dataclass(frozen=True)
class Planted:
    """The shade that an image was painted with; nothing where it is dark."""

    name: ClassVar[str] = "planted"
    version: ClassVar[int] = 1
    attributes: ClassVar[tuple[str, ...]] = ("shade", "blue")
    thresholds: ClassVar[tuple[float, ...]] = (100.0, float("nan"))

    def load(self) -> Scorer:
        def score(images: np.ndarray) -> np.ndarray:
            shade = images[:, 4, 4, 0].astype(np.float32)
            return np.stack([np.where(shade < 10, np.nan, shade), images[:, 4, 4, 2]], axis=1)

        return score


@dataclass(frozen=True)
class ByName:
    """What a table says, by an image's name."""

    name: ClassVar[str] = "labels"
    version: ClassVar[int] = 1
    attributes: ClassVar[tuple[str, ...]] = ("number",)
    thresholds: ClassVar[tuple[float, ...]] = (0.5,)
    by: str = "file"

    def load(self) -> Scorer:
        raise UserError("It looks at none.")

    def lookup(self):
        return lambda numbers, names: np.array([[float(Path(name).stem)] for name in names], np.float32)

    def check_known(self, ids, names) -> None: ...


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Seventy images of several sizes in a shade of their number, and fourteen that are broken."""
    root = tmp_path_factory.mktemp("set")
    for i in range(N):
        side = 16 + i % 5
        Image.new("RGB", (side, 24), (i, 0, 200)).save(root / f"{i:03d}.png")
    write_broken(root)
    return root


def wired(
    folder: Path, spool: Path, annotators=(Planted(),), batch: int = 8, fail_above: float = 0.5
) -> PublishAnnotations:
    spool.mkdir()
    published, _ = annotations(folder, annotators, spool, (8, 8), batch, fail_above).goals
    return published


@pytest.fixture(scope="module")
def published(folder, tmp_path_factory) -> tuple[PublishAnnotations, Store]:
    stage = wired(folder, tmp_path_factory.mktemp("spool") / "a")
    return stage, made(tmp_path_factory.mktemp("root"), stage)


def read(stage: PublishAnnotations, store: Store, name: str = "images") -> pd.DataFrame:
    return pd.read_parquet(store.folder(stage) / f"{name}.parquet")


def test_a_row_an_image_with_what_was_planted_and_nothing_where_nothing_is_measured(published):
    images = read(*published)
    assert list(images.columns) == ["name", "id", "planted.shade", "planted.blue"]
    assert images["name"].tolist() == [f"{i:03d}.png" for i in range(N)] and images["id"].tolist() == list(range(N))
    assert images["planted.shade"].isna().tolist() == [i < 10 for i in range(N)], "missing, and not 0"
    assert images["planted.shade"][10:].tolist() == list(range(10, N)) and (images["planted.blue"] == 200).all()
    assert images["planted.shade"].dtype == np.float32


def test_the_long_form_says_the_same(published):
    wide, long = read(*published), read(*published, "annotations")
    assert set(long["annotator"]) == {"planted"} and len(long) == 2 * N
    pivoted = long.pivot(index="sample_id", columns="attribute", values="score")
    assert pivoted["shade"].equals(wide.set_index("id")["planted.shade"].rename("shade").rename_axis("sample_id"))


def test_every_broken_file_is_recorded_with_its_reason_and_in_no_score(published):
    broken = read(*published, "broken")
    assert dict(zip(broken["name"], broken["kind"], strict=True)) == KINDS_OF and broken["reason"].str.len().min() > 5
    assert not set(broken["name"]) & set(read(*published)["name"])


def test_the_numbers_are_the_sample_ids_of_a_run_on_the_same_images(published, folder):
    assert read(*published)["name"].tolist() == list(image_set.find(folder, 0.5).names)


def test_the_page_says_what_each_column_is_and_what_was_left_out(published):
    stage, store = published
    page = store.text(stage, "README.md")
    for said in (
        "| `planted.shade` | 100 | 60 |",
        "| `planted.blue` |  | 70 |",
        "14 are broken",
        "| truncated | 5 |",
        "8 x 8 pixels",
        "What annotators say in pixels, such as where something is, is in pixels of these.",
    ):
        assert said in page, said
    assert '"version": 1' in page and "| PNG | 70 |" in page


class Killed(Exception):
    pass


class KilledAfter(Silent):
    """Progress during which the process ends after some parts."""

    def __init__(self, parts: int):
        self.left = parts

    def advance(self, stage) -> None:
        self.left -= 1
        if not self.left:
            raise Killed


def test_killed_five_times_every_name_is_there_once_and_no_part_is_made_twice(published, folder, tmp_path):
    store = Store(tmp_path / "root")
    store.prepare()
    for i in range(5):
        stage = wired(folder, tmp_path / f"{i}")
        before = len(store.missing(stage.annotate))
        with pytest.raises(Killed):
            run(plan([stage], store), store, InProcess, KilledAfter(2))
        assert len(store.missing(stage.annotate)) == before - (1 if i == 0 else 2)
    assert 0 < len(store.missing(stage.annotate)) < stage.annotate.n_parts == 11
    run(plan([stage], store), store, InProcess, Silent())
    assert read(stage, store).equals(read(*published)) and read(stage, store, "broken").equals(
        read(*published, "broken")
    )


def test_a_set_with_too_many_broken_images_stops_before_its_end_and_goes_on_where_more_may_be(folder, tmp_path):
    store = Store(tmp_path / "root")
    store.prepare()
    stage = wired(folder, tmp_path / "a", fail_above=0.02)
    with pytest.raises(UserError, match=r"of 84 images cannot be read .* at most 0.02 of them"):
        run(plan([stage], store), store, InProcess, Silent())
    assert store.missing(stage.annotate), "it stopped as soon as it was certain"
    again = wired(folder, tmp_path / "b", fail_above=0.5)
    assert len(store.missing(again.annotate)) < again.annotate.n_parts
    run(plan([again], store), store, InProcess, Silent())
    assert len(read(again, store)) == N


def test_an_image_is_scored_alike_in_any_batch(published, folder, tmp_path):
    stage = wired(folder, tmp_path / "a", annotators=(Planted(), Pixels()), batch=5)
    images = read(stage, made(tmp_path / "root", stage))
    assert images[["planted.shade"]].equals(read(*published)[["planted.shade"]])
    opened = image_set.find(folder, 0.5).open()
    _, seen = opened.read(range(N), 8, 8)
    np.testing.assert_allclose(images["pixels.brightness"], Pixels().load()(seen)[:, 0], atol=1e-4)


def test_who_knows_images_by_name_is_asked_by_name(folder, tmp_path):
    stage = wired(folder, tmp_path / "a", annotators=(ByName(), Planted()))
    images = read(stage, made(tmp_path / "root", stage))
    assert images["labels.number"].tolist() == list(range(N))
    with pytest.raises(UserError, match="knows images by sample_id"):
        replace(stage.annotate, annotators=(ByName("sample_id"),)).check()


def test_what_is_damaged_is_named_before_work_as_it_is_when_it_is_read(folder, tmp_path):
    root = tmp_path / "set"
    root.mkdir()
    (root / "damaged.parquet").write_bytes(b"PAR1")
    pq.write_table(pa.table({"image": [(folder / f"{i:03d}.png").read_bytes() for i in range(5)]}), root / "p.parquet")
    stage = wired(root, tmp_path / "a").annotate.images
    names = list(stage.names())
    assert names == ["damaged.parquet", *(f"p.parquet:{i}" for i in range(5))]
    assert names == [each.name for each in stage.encoded(range(stage.n), made(tmp_path / "root", stage))]


def test_names_of_a_tar_that_ends_too_early_are_those_that_it_is_read_by(folder, tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for i in range(3):
            tar.add(folder / f"{i:03d}.png", f"{i}.png")
    whole = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[: whole.index(b"2.png") + 540])
    stage = wired(tmp_path / "a.tar", tmp_path / "a").annotate.images
    names = list(stage.names())
    assert names == ["a.tar/0.png", "a.tar/1.png", "a.tar:2"]
    assert names == [each.name for each in stage.encoded(range(stage.n), made(tmp_path / "root", stage))]


@dataclass(frozen=True)
class Asked(ByName):
    """Labels that say what they were asked before work."""

    def check_known(self, ids, names):
        raise UserError(f"{list(ids)[-1]} of {len(names)}: {names[0]} to {names[-1]}")


def test_labels_are_asked_about_all_names_before_work(folder, tmp_path):
    with pytest.raises(UserError, match="83 of 84: 000.png to "):
        wired(folder, tmp_path / "a", annotators=(Planted(), Asked()))


def test_columns_that_would_be_called_alike_are_refused(folder, tmp_path):
    tables = []
    for name, column in (("a.b", "c"), ("a", "b.c"), ("a", "b")):
        path = tmp_path / f"{name} {column}.csv"
        path.write_text(f"file,{column}\n000,1\n")
        tables.append(annotator(f"table:{path}+name={name}"))
    wired(folder, tmp_path / "one", annotators=(tables[0], tables[2])).annotate.check()
    with pytest.raises(UserError, match="'a.b' and 'a' would both have the column a.b.c"):
        wired(folder, tmp_path / "two", annotators=tuple(tables[:2])).annotate.check()


def test_what_was_annotated_labels_the_same_images_by_their_names(published, folder, tmp_path):
    stage, store = published
    table = annotator(f"table:{store.folder(stage) / 'images.parquet'}")
    assert table.attributes == ("planted.shade", "planted.blue")
    names = image_set.find(folder, 0.5).names
    found = table.lookup()(range(N), names)
    assert np.array_equal(found, read(*published)[["planted.shade", "planted.blue"]].to_numpy(), equal_nan=True)
    again = wired(folder, tmp_path / "a", annotators=(table,))
    images = read(again, made(tmp_path / "root", again))
    assert images["images.planted.shade"].equals(read(*published)["planted.shade"].rename("images.planted.shade"))


def test_a_large_photograph_is_decoded_no_finer_than_it_takes_and_looks_the_same():
    smooth = noise(12, 16).resize((1600, 1200), Image.Resampling.BICUBIC)
    from pipeline.imagesets.encoded import Encoded

    image = Encoded("a", "a", encoded(smooth, "jpeg", quality=95))
    difference = image.seen(64, 64).pixels.astype(int) - image.fitted(64, 64)
    assert 0 < np.abs(difference).max() <= 6 and np.abs(difference).mean() < 1


def test_a_listing_that_lies_elsewhere_is_made_again_by_the_worker(folder, tmp_path):
    stage = wired(folder, tmp_path / "a")
    images = stage.annotate.images
    elsewhere = replace(images, spooled=str(tmp_path / "gone"))
    store, other = made(tmp_path / "one", images), made(tmp_path / "two", elsewhere)
    assert store.record(images, 0)["files"] == other.record(elsewhere, 0)["files"]


def test_an_index_of_several_files_is_read_where_the_images_are(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(list_images, "CHUNK", 10)
    stage = wired(folder, tmp_path / "a").annotate.images
    store = made(tmp_path / "root", stage)
    everything = [each.name for each in stage.encoded(range(stage.n), store)]
    assert len(everything) == len(set(everything)) == N + 14
    read_files = []
    table = Store.table
    monkeypatch.setattr(
        Store,
        "table",
        lambda self, of, name, *more, **options: read_files.append(name) or table(self, of, name, *more, **options),
    )
    assert [each.name for each in stage.encoded(range(38, 52), store)] == everything[38:52]
    assert read_files == [f"index-{i:05d}.parquet" for i in (3, 4, 5)]


def test_single_images_of_one_group_of_rows_are_read_in_one_go(tmp_path, monkeypatch):
    from pipeline.imagesets.parquet import RowGroup

    cells = [{"bytes": encoded(noise(16, 16, seed=i), "png"), "path": None} for i in range(40)]
    for name, some in (("a", cells[:30]), ("b", cells[30:])):
        pq.write_table(pa.table({"image": pa.array(some, IMAGE)}), tmp_path / f"{name}.parquet", row_group_size=30)
    (tmp_path / "spool").mkdir()
    stage, _ = list_images.listed(tmp_path, tmp_path / "spool")
    store = made(tmp_path / "root", stage)
    asked = []
    whole = RowGroup.read
    monkeypatch.setattr(RowGroup, "read", lambda self, rows: asked.append((self.name, rows)) or whole(self, rows))
    found = list(stage.picked([31, 4, 28, 9, 4, 33], store))
    assert [number for number, _ in found] == [4, 9, 28, 31, 33]
    assert all(each.data == cells[number]["bytes"] for number, each in found)
    assert asked == [("a.parquet, row group 0", range(4, 29)), ("b.parquet, row group 0", range(1, 4))]


def test_a_part_that_storage_failed_is_made_again_and_a_file_that_was_closed_is_read_once_it_is_open(
    tmp_path, monkeypatch
):
    root = tmp_path / "set"
    root.mkdir()
    for i in range(4):
        Image.new("RGB", (16, 16), (50 + i, 0, 200)).save(root / f"{i}.png")
    with monkeypatch.context() as patched:
        patched.setattr("pipeline.imagesets.folder.contents", _fails)
        with pytest.raises(RunFailed, match="cannot be read at the moment"):
            made(tmp_path / "root", wired(root, tmp_path / "a"))
    stage = wired(root, tmp_path / "b")
    assert len(read(stage, made(tmp_path / "root", stage))) == 4
    with monkeypatch.context() as patched:
        patched.setattr(os, "access", lambda path, mode: not str(path).endswith("2.png"))
        closed = wired(root, tmp_path / "c")
        assert read(closed, made(tmp_path / "root", closed), "broken")["name"].tolist() == ["2.png"]
    opened = wired(root, tmp_path / "d")
    assert opened.annotate.images.sha256 != closed.annotate.images.sha256
    assert len(read(opened, made(tmp_path / "root", opened))) == 4


def _fails(path):
    raise OSError(errno.EIO, "Input/output error")


def test_a_damaged_file_of_many_images_is_refused_before_work(tmp_path):
    root = tmp_path / "set"
    root.mkdir()
    cells = [{"bytes": encoded(noise(16, 16, seed=i), "png"), "path": None} for i in range(9)]
    for name in "ab":
        pq.write_table(pa.table({"image": pa.array(cells, IMAGE)}), root / f"{name}.parquet")
    (root / "b.parquet").write_bytes((root / "a.parquet").read_bytes()[:-9])
    with pytest.raises(UserError, match="b.parquet cannot be read as Parquet(.|\n)*50.0% of its bytes"):
        wired(root, tmp_path / "a", fail_above=0.05)
    assert wired(root, tmp_path / "b", fail_above=0.5).annotate.images.n == 10


def test_images_cannot_be_brought_to_no_size(folder, tmp_path):
    stage = wired(folder, tmp_path / "a").annotate
    with pytest.raises(UserError, match="Images of 0 x 8 in batches of 8"):
        replace(stage, height=0).check()


def test_parts_are_as_many_for_a_hundred_images_as_for_a_million(published):
    annotate = published[0].annotate

    def sized(n: int):
        return replace(annotate, images=replace(annotate.images, n=n), batch=32)

    assert [sized(n).n_parts for n in (1, 100, 10_000, 100_000)] == [1, 4, 313, 261]
    assert sized(10**7).part_size == 4096


@dataclass(frozen=True)
class Classes:
    """Three hundred classes: the shade that an image was painted with, and the class."""

    name: ClassVar[str] = "classes"
    version: ClassVar[int] = 1
    attributes: ClassVar[tuple[str, ...]] = tuple(f"class_{i}" for i in range(300))
    thresholds: ClassVar[tuple[float, ...]] = (300.0,) * 300

    def load(self) -> Scorer:
        return lambda images: images[:, 4, 4, :1].astype(np.float32) * 10 + np.arange(300, dtype=np.float32)


def test_hundreds_of_columns_are_written_a_bounded_number_of_rows_at_a_time(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.stages.labels.annotate_images.ROWS", 1000)
    monkeypatch.setattr("pipeline.stages.publish_annotations.SCORES", 6000)
    written: list[int] = []
    real = pq.ParquetWriter.write_table

    def write_table(self, table, *more, **options) -> None:
        written.append(table.num_rows)
        real(self, table, *more, **options)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", write_table)
    stage = wired(folder, tmp_path / "spool", (Classes(),))
    store = made(tmp_path / "root", stage)
    expected = 10 * np.arange(N)[:, None] + np.arange(300)
    images, long = read(stage, store), read(stage, store, "annotations")
    np.testing.assert_array_equal(images.filter(like="classes.").to_numpy(), expected)
    np.testing.assert_array_equal(long["score"].to_numpy().reshape(N, 300), expected)
    assert long["attribute"].tolist() == [*Classes.attributes] * N and long["sample_id"].is_monotonic_increasing
    assert max(written) == 900, "three images' rows"
    groups = pq.ParquetFile(store.folder(stage) / "images.parquet").metadata.num_row_groups
    assert groups == -(-stage.annotate.n_parts // 2), "of two parts of eight images each"


@dataclass(frozen=True)
class Shrunk(Planted):
    """The same, which says nothing of blue where an image was shrunk to less than half."""

    name: ClassVar[str] = "shrunk"

    def missed(self, scores: np.ndarray, scales: np.ndarray) -> np.ndarray:
        return (scales > 2)[:, None] & np.array([False, True])


def test_what_an_annotator_misses_in_shrunk_images_is_missing(tmp_path):
    (tmp_path / "set").mkdir()
    sizes = {"a.png": (8, 8), "b.png": (16, 40), "c.png": (17, 40), "d.jpg": (2000, 1500), "e.png": (8, 400)}
    for name, size in sizes.items():
        Image.new("RGB", size, (90, 0, 200)).save(tmp_path / "set" / name)
    stage = wired(tmp_path / "set", tmp_path / "spool", (Planted(), Shrunk()))
    images = read(stage, made(tmp_path / "root", stage))
    assert images["planted.blue"].notna().all() and images["shrunk.shade"].notna().all()
    assert images["shrunk.blue"].isna().tolist() == [False, False, True, True, False]


def test_a_face_that_was_shrunk_away_is_missing_unless_only_larger_ones_are_wanted(tmp_path):
    """A face of 100 pixels in a photograph of 1600, of which 256 are seen: 16 pixels are left of it."""
    (tmp_path / "set").mkdir()
    photograph = np.full((1600, 1600, 3), 128, np.uint8)
    drawn = (render(sample_factors(1, seed=23), 100)[0].permute(1, 2, 0).numpy() + 1) * 127.5
    photograph[700:800, 700:800] = drawn.round()
    Image.fromarray(photograph).save(tmp_path / "set" / "far.jpg", quality=95)
    Image.fromarray(photograph[:256, :256]).save(tmp_path / "set" / "none.png")
    Image.fromarray(photograph[640:896, 640:896]).save(tmp_path / "set" / "there.png")
    (tmp_path / "spool").mkdir()
    scored = (annotator("mtcnn"), annotator("mtcnn+name=large+smallest_stored=130"))
    stage, _ = annotations(tmp_path / "set", scored, tmp_path / "spool", (256, 256), 8, 0.5).goals
    images = read(stage, made(tmp_path / "root", stage)).set_index("name")
    assert np.isnan(images["mtcnn.face"]["far.jpg"]) and images["large.face"]["far.jpg"] == 0
    assert images["mtcnn.face"]["none.png"] == 0 and images["mtcnn.face"]["there.png"] > 0.7
