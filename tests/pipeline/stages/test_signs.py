"""Every finder makes the same directions where eigenvectors come with other signs, as they do on other machines."""

from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
import torch

from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.stages.finders.principal_components import PrincipalComponents
from tests.pipeline.making import made


@pytest.fixture(scope="module")
def every(sources, finders, measured) -> list[Stage]:
    """All finders, the control among them, and the ways across the steps that they have not."""
    ways = [PrincipalComponents(sources.sample, 2, across) for across in ("per-step", "matched", "joint")]
    return [*vars(finders).values(), measured.control, *ways]


def directions(finders: list[Stage], store: Store) -> dict[str, np.ndarray]:
    return {f"{each.folder} {name}": v.ravel() for each in finders for name, v in store.vectors(each).items()}


def flipped(decompose: Callable, draw: np.random.Generator) -> Callable:
    """A decomposition into eigenvalues and eigenvectors that turns some of the latter round, other ones at every call."""

    def turned(*args: object, **options: object) -> tuple:
        values, vectors = decompose(*args, **options)
        sign = draw.choice([-1, 1], vectors.shape[-1])
        return values, vectors * (torch.from_numpy(sign).to(vectors) if isinstance(vectors, torch.Tensor) else sign)

    return turned


@pytest.mark.parametrize("seed", [0, 1])
def test_no_direction_is_turned_by_the_signs_of_eigenvectors(seed, every, made_of, tmp_path, monkeypatch):
    expected = directions(every, made_of(*every))
    for library in (torch.linalg, np.linalg, scipy.linalg):
        monkeypatch.setattr(library, "eigh", flipped(library.eigh, np.random.default_rng(seed)))
    found = directions(every, made(tmp_path, *every))
    assert found.keys() == expected.keys() and len(found) > 25
    for name, v in found.items():
        cosine = v @ expected[name] / (np.linalg.norm(v) * np.linalg.norm(expected[name]))
        assert cosine > 0.999, name


def test_a_direction_has_a_stated_sign(every, made_of):
    """More of its attribute, or its largest entry positive."""
    store = made_of(*every)
    rows = {row["name"]: row for each in every for row in store.table(each, "directions.parquet").to_pylist()}
    vectors = {name: v.ravel() for each in every for name, v in store.vectors(each).items()}
    unsupervised = [name for name, row in rows.items() if row["attribute"] is None]
    assert {rows[name]["method"] for name in unsupervised} == {
        "principal-components", "matched-components", "joint-components", "jacobian", "mean-jacobian", "random",
        "imported",
    }  # fmt: skip
    assert all(vectors[name][np.abs(vectors[name]).argmax()] > 0 for name in unsupervised)
    supervised = {name: row["attribute"] for name, row in rows.items() if name not in unsupervised}
    for name, attribute in supervised.items():
        if rows[name]["method"] not in ("adjusted-difference", "imported"):  # of other images; as it was brought
            assert vectors[name] @ vectors[f"{attribute}/mean-difference"] > 0, name
