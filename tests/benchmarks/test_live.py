"""What the benchmark of the live page takes for first, finished and recognisable; its timings are its own."""

import os
from dataclasses import replace

import numpy as np
import psutil
import pytest

from benchmarks import live as benchmark
from benchmarks.live import Move, Visitor, shares
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.live.as_python import Source
from pipeline.live.server import Live
from pipeline.recipes.applied import Applier
from tests.pipeline.catalog.planted_catalogs import planted_catalog, planted_model
from tests.pipeline.live.serving import running

NAME = "smile/ridge/disentangled"


def test_a_move_is_of_one_direction_on_samples_that_are_there(tmp_path):
    model = planted_model(tmp_path / "model")
    catalog = DirectionCatalog.from_pretrained(planted_catalog(tmp_path / "catalog", model))
    applier = Applier.of(catalog, str(model))
    with running(Live(catalog, tmp_path, Source(catalog.address), applier)) as server:
        visitor = Visitor(server.port, psutil.Process(os.getpid()), {NAME: 1.5})
        move = visitor.move(NAME, seed=3, n=2)
    expected = applier.to_samples({NAME: 1.5}, seed=3, n=2)
    assert np.array_equal(move.unedited, expected.unedited) and np.array_equal(move.edited, expected.edited)
    assert 0 < move.first < move.finished and move.recognisable.shape == move.edited.shape
    assert not np.array_equal(move.recognisable, move.edited)


def test_a_share_is_that_of_the_finished_change_by_the_judge(tmp_path, monkeypatch):
    class Judge:
        attributes = ("age", "smile")

        def load(self):
            return lambda images: np.stack([images[:, 0, 0, 0], images[:, 0, 0, 1]], axis=1).astype(float)

    monkeypatch.setattr(benchmark, "annotator", lambda name: Judge())
    catalog = DirectionCatalog.from_pretrained(planted_catalog(tmp_path / "c", planted_model(tmp_path / "model")))

    def flat(smile: int) -> np.ndarray:
        return np.full((2, 4, 4, 3), smile, np.uint8)

    move = Move(0.1, 0.2, 0.1, flat(10), flat(40), flat(50))
    assert shares(catalog, {NAME: [move, replace(move, recognisable=flat(30))]}) == {
        NAME: pytest.approx((35 - 10) / 40)
    }
