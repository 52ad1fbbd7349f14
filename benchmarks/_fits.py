"""Exact fits of one step of h of any shape, which is planted, and the memory that they take."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks._memory import forget_peak, memory
from pipeline.annotators.registry import annotator
from pipeline.domains import portraits
from pipeline.engine.store import Store
from pipeline.engine.threads import fixed_threads
from pipeline.formats.parquet import h_writer, write_table
from pipeline.models import pretrained
from pipeline.stages.finders.by_step import ByStep
from pipeline.stages.finders.linear_classifier import LinearClassifier
from pipeline.stages.finders.linear_discriminant import LinearDiscriminant
from pipeline.stages.finders.mean_difference import MeanDifference
from pipeline.stages.finders.principal_components import PrincipalComponents
from pipeline.stages.labels.annotate import Annotate, annotations_table
from pipeline.stages.sources.sample import Sample
from schemas.activations import activations_schema, step_table

FITS = ("mean-difference", "ridge", "joint-ridge", "linear-discriminant", "principal-components")


@dataclass(frozen=True)
class Planted(Sample):
    """Samples of which h has this shape."""

    shape: tuple[int, ...] = ()

    @property
    def h_shape(self) -> tuple[int, ...]:
        return self.shape


def labels(n: int, shape: tuple[int, ...]) -> Annotate:
    sample = Planted(pretrained.find(str(portraits.MODEL)), n, 1, batch=min(n, 64), shape=shape)
    return Annotate(sample, (annotator("portraits"),))


def plant(root: Path, n: int, shape: tuple[int, ...]) -> None:
    """Activations of one step, float16, that scores shift; a score is missing of every twentieth sample, which is left out."""
    store, rng, annotate = Store(root), np.random.default_rng(0), labels(n, shape)
    store.prepare()
    sample, attributes = annotate.sample, len(annotate.annotators[0].attributes)
    truth = rng.standard_normal((attributes, int(np.prod(shape))), dtype=np.float32)
    schema = activations_schema(shape)
    for part in range(sample.n_parts):
        ids = sample.sample_ids(part)
        scores = rng.standard_normal((len(ids), attributes), dtype=np.float32)
        h = rng.standard_normal((len(ids), truth.shape[1]), dtype=np.float32) + 0.3 * scores @ truth
        scores[::20, 0] = np.nan
        with store.part(sample, part) as out, h_writer(out / "activations.parquet", schema) as writer:
            writer.write_table(step_table(ids, 0, 999, h, schema))
        with store.part(annotate, part) as out:
            write_table(out / "annotations.parquet", annotations_table(np.array(ids), annotate.annotators[0], scores))


def finder(n: int, shape: tuple[int, ...], name: str) -> ByStep:
    annotate = labels(n, shape)
    by = (annotate, "portraits", annotate.annotators[0].attributes[:6], n // 4)
    finders: dict[str, Callable[[], ByStep]] = {
        "mean-difference": lambda: MeanDifference(*by),
        "ridge": lambda: LinearClassifier(*by),
        "joint-ridge": lambda: LinearClassifier(*by, across="joint"),
        "linear-discriminant": lambda: LinearDiscriminant(*by),
        "principal-components": lambda: PrincipalComponents(annotate.sample, 25),
    }
    return finders[name]()


def measured(root: Path, n: int, shape: tuple[int, ...], name: str) -> tuple[int, int]:
    """Bytes that the fit of a step took at most, beside what the process held before it, and in all."""
    fit = finder(n, shape, name)
    forget_peak()
    before = memory("VmRSS")
    with fixed_threads():
        fit.fit_step(0, Store(root))
    peak = memory("VmHWM")
    return peak - before, peak
