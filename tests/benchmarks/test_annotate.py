"""What the annotation benchmark compares is the same work; its timings are its own."""

import numpy as np
import pyarrow.parquet as pq

from benchmarks._networks import OUTPUTS, SIZE, Timm, write_onnx
from benchmarks.annotate import PHOTOGRAPHS, plain, prepared, ratio, staged, write_photographs


def test_a_ratio_is_taken_within_each_round():
    speeds = {"ours": [1.0, 0.1, 1.2], "theirs": [2.0, 0.2, 2.0]}  # a machine that is busy in the second round
    assert ratio(speeds, "ours", "theirs") == 0.5


def test_both_sides_score_as_many_images_and_alike(tmp_path):
    write_photographs(tmp_path / "set", 2 * PHOTOGRAPHS)
    stage, store = prepared(tmp_path, write_onnx(tmp_path / "network.onnx"))
    assert stage.images.n == 2 * PHOTOGRAPHS and stage.part_size == 32
    assert plain(stage, store)() == staged(stage, store)() == stage.part_size
    table = pq.read_table(store.folder(stage) / "annotations.parquet")
    found = table["score"].to_numpy().reshape(-1, len(OUTPUTS))
    images = [each.fitted(SIZE, SIZE) for each in stage.images.encoded(range(32), store)]
    np.testing.assert_allclose(found, stage.annotators[0].load()(np.stack(images)), rtol=1e-3, atol=1e-4)
    assert found.std(axis=0).min() > 0, "a score of each image's own"


def test_the_networks_weights_are_the_same_each_time():
    images = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    assert np.array_equal(Timm().load()(images), Timm().load()(images))
