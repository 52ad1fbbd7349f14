"""Every finder makes the same directions where eigenvectors come with other signs, as they do on other machines."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
import torch

from pipeline.engine.plan import plan
from pipeline.engine.pool import InProcess
from pipeline.engine.runner import run
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.stages.finders.principal_components import PrincipalComponents


class Silent:
    def advance(self, stage: Stage) -> None:
        pass


@pytest.fixture(scope="module")
def finders(flow) -> list[Stage]:
    """All of the flow, its control among them, and the ways across the steps that it has not."""
    [evaluation] = flow.catalog.evaluations
    ways = [PrincipalComponents(flow.catalog.sample, 2, across) for across in ("per-step", "matched", "joint")]
    return [*evaluation.edit.finders, *ways]


def made(finders: list[Stage], store: Store) -> dict[str, np.ndarray]:
    store.prepare()
    run(plan(finders, store), store, InProcess, Silent())
    return {f"{each.folder} {name}": v.ravel() for each in finders for name, v in store.vectors(each).items()}


def flipped(decompose: Callable, draw: np.random.Generator) -> Callable:
    """A decomposition into eigenvalues and eigenvectors that turns some of the latter round, other ones at every call."""

    def turned(*args: object, **options: object) -> tuple:
        values, vectors = decompose(*args, **options)
        sign = draw.choice([-1, 1], vectors.shape[-1])
        return values, vectors * (torch.from_numpy(sign).to(vectors) if isinstance(vectors, torch.Tensor) else sign)

    return turned


@pytest.mark.parametrize("seed", [0, 1])
def test_no_direction_is_turned_by_the_signs_of_eigenvectors(seed, finders, store, tmp_path, monkeypatch):
    expected = made(finders, store)
    for library in (torch.linalg, np.linalg, scipy.linalg):
        monkeypatch.setattr(library, "eigh", flipped(library.eigh, np.random.default_rng(seed)))
    found = made(finders, Store(tmp_path))
    assert found.keys() == expected.keys() and len(found) > 25
    for name, v in found.items():
        cosine = v @ expected[name] / (np.linalg.norm(v) * np.linalg.norm(expected[name]))
        assert cosine > 0.999, name


def test_a_direction_has_a_stated_sign(finders, store):
    """More of its attribute, or its largest entry positive."""
    made(finders, store)
    rows = {row["name"]: row for each in finders for row in store.table(each, "directions.parquet").to_pylist()}
    vectors = {name: v.ravel() for each in finders for name, v in store.vectors(each).items()}
    unsupervised = [name for name, row in rows.items() if row["attribute"] is None]
    assert {rows[name]["method"] for name in unsupervised} == {
        "principal-components", "matched-components", "joint-components", "jacobian", "mean-jacobian", "random",
    }  # fmt: skip
    assert all(vectors[name][np.abs(vectors[name]).argmax()] > 0 for name in unsupervised)
    supervised = {name: row["attribute"] for name, row in rows.items() if name not in unsupervised}
    for name, attribute in supervised.items():
        if rows[name]["method"] != "adjusted-difference":  # of other images
            assert vectors[name] @ vectors[f"{attribute}/mean-difference"] > 0, name
