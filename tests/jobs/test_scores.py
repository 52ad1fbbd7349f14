"""Scores are found behind a catalog that lies in the root where it was made, and are none anywhere else."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from jobs.scores import scores_behind
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from tests.pipeline.making import made

TABLE = pd.DataFrame({"direction": ["smile/ridge"], "score": [0.5]})


@dataclass(frozen=True)
class ScoreEdits(Stage):
    """Two parts of scores."""

    which: int

    n_parts = 2

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        TABLE.assign(sample_id=10 * self.which + part).to_parquet(out / "scores.parquet")


@dataclass(frozen=True)
class Catalog(Stage):
    """What was made from them."""

    scores: tuple[ScoreEdits, ...]

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        (out / "catalog.json").write_text("{}")


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A root with two catalogs, of which `catalog` is the first."""
    root = tmp_path_factory.mktemp("root")
    mine, other = Catalog((ScoreEdits(1), ScoreEdits(2))), Catalog((ScoreEdits(3),))
    store = made(root, mine, other)
    (root / "catalog").symlink_to(store.folder(mine))
    return root


def test_they_are_those_that_the_catalog_was_made_from(root):
    found = scores_behind(root / "catalog").tables
    assert sorted(sorted(table["sample_id"]) for table in found) == [[10, 11], [20, 21]]


def test_a_catalog_that_was_copied_has_none(root, tmp_path):
    shutil.copytree(root / "catalog", tmp_path / "catalog")
    assert scores_behind(tmp_path / "catalog").tables == () and scores_behind(Path("/")).tables == ()


def test_what_is_damaged_is_no_score(root, tmp_path):
    shutil.copytree(root, tmp_path / "root", symlinks=False)
    folder = tmp_path / "root" / (root / "catalog").resolve().relative_to(root)
    for table in (tmp_path / "root").glob("score-edits-*/*/scores.parquet"):
        table.write_bytes(table.read_bytes()[:-9] + b"x" * 9)
    assert scores_behind(folder).tables == ()
