"""Principal components of h that has fewer dimensions than were asked for: rounding is no direction."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from pipeline.engine.store import Store
from pipeline.errors import UserError
from pipeline.estimators.components import exact_pca
from pipeline.stages.finders.principal_components import PrincipalComponents
from pipeline.stages.sources.sample import Sample

K, N, T = 3, 40, 2


@pytest.fixture
def put_together(model, tmp_path):
    """The vectors that a finder writes, by component, of h that spans so many dimensions at each step."""

    def made(ranks: tuple[int, ...]) -> list[np.ndarray]:
        finder = PrincipalComponents(Sample(model, N, T), K)
        rng = np.random.default_rng(0)
        D = finder.source.h_size
        steps = [
            rng.standard_normal((N, rank)) @ rng.standard_normal((rank, D)) + rng.standard_normal(D) for rank in ranks
        ]
        found = [exact_pca(h.astype(np.float32), K) for h in steps]
        fits = [{"vectors": each.vectors, "well_separated": each.well_separated,
                 "explained_variance_ratio": each.explained_variance_ratio} for each in found]  # fmt: skip
        finder.put_together(iter(fits), Store(tmp_path / "none"), Path(tmp_path))
        vectors = load_file(tmp_path / "directions.safetensors")
        return [vectors[name].reshape(T, -1) for name in finder.names]

    return made


def test_a_component_is_zero_where_h_has_no_dimension_for_it(put_together):
    vectors = put_together((3, 2))
    assert [v.any(axis=1).tolist() for v in vectors] == [[True, True], [True, True], [True, False]]


def test_components_that_no_step_has_are_refused_with_the_numbers(put_together):
    with pytest.raises(UserError, match="h of 40 samples has 2 principal components, and 3 were asked for"):
        put_together((2, 1))
