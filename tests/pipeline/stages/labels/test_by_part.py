"""Scores and features belong to their own image, whatever else is beside it, now or in a longer run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from pipeline.annotators.base import Scorer
from pipeline.formats.images import decode
from pipeline.stages.labels.annotate import Annotate
from pipeline.stages.labels.embed import Embed
from pipeline.stages.sources.sample import Sample
from tests.pipeline.making import made


@dataclass(frozen=True)
class BatchAnnotator:
    """How bright an image is, and how many images it was scored among, to 100: a small share, as that by which kernels round."""

    name: ClassVar[str] = "batch"
    attributes: ClassVar[tuple[str, ...]] = ("brightness", "beside")
    thresholds: ClassVar[tuple[float, ...]] = (float("nan"), float("nan"))

    def load(self) -> Scorer:
        return lambda images: np.stack([images.mean(axis=(1, 2, 3)), np.full(len(images), 100 + len(images))], axis=1)

    def embedder(self) -> Callable[[np.ndarray], np.ndarray]:
        return self.load()


@dataclass(frozen=True)
class OnGPU(BatchAnnotator):
    gpus: ClassVar[int] = 1


def test_annotators_have_a_gpu_where_one_of_them_says_so(model):
    sample = Sample(model, 3, 2, batch=8)
    assert Annotate(sample, (BatchAnnotator(), OnGPU())).resources.gpus == 1
    assert Annotate(sample, (BatchAnnotator(),)).resources.gpus == 0


@pytest.mark.parametrize("n", [3, 11, 16])
def test_scores_are_of_full_batches_whatever_the_number_of_samples(model, tmp_path, n):
    annotate = Annotate(Sample(model, n, 2, batch=8), (BatchAnnotator(),))
    store = made(tmp_path, annotate)
    scores = annotate.scores(store, "batch")
    images = decode(store.table(annotate.sample, "samples.parquet"))
    assert scores.index.tolist() == list(range(n))
    np.testing.assert_allclose(scores["brightness"], images.mean(axis=(1, 2, 3)), rtol=1e-6)
    assert set(scores["beside"]) == {108}


@pytest.mark.parametrize("n", [3, 11, 16])
def test_features_are_of_full_batches_whatever_the_number_of_samples(model, tmp_path, n):
    embed = Embed(Sample(model, n, 2, batch=8), BatchAnnotator())
    store = made(tmp_path, embed)
    images = decode(store.table(embed.sample, "samples.parquet"))
    brightness, beside = embed.reference(store, n).T
    np.testing.assert_allclose(brightness, images.mean(axis=(1, 2, 3)), rtol=1e-6)
    assert set(beside) == {108}
