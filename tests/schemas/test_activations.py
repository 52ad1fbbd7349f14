"""h survives storage: shape, order and float16 values; what float16 cannot hold is refused."""

import json

import numpy as np
import pytest

from schemas.activations import activations_schema, h_column, h_rows, step_table


def test_h_comes_back_as_it_went_in():
    h = np.random.default_rng(0).standard_normal((5, 3, 2, 2)).astype(np.float32)
    assert h_column(h).to_pylist() == [row.tobytes() for row in h.astype("<f2")]


def test_a_file_declares_its_shape():
    schema = activations_schema((3, 2, 2))
    assert json.loads(schema.metadata[b"h"])["shape"] == [3, 2, 2]
    assert schema.field("h").type.byte_width == 24


def test_a_step_is_a_table_of_its_samples():
    h = np.random.default_rng(0).standard_normal((5, 3, 2, 2))
    table = step_table(range(10, 15), 2, 900, h, activations_schema((3, 2, 2)))
    assert table.schema.equals(activations_schema((3, 2, 2)), check_metadata=True)
    assert table.drop(["h"]).to_pylist() == [{"sample_id": i, "step": 2, "timestep": 900} for i in range(10, 15)]
    assert table["h"].to_pylist() == [row.tobytes() for row in h.astype("<f2")]


def test_what_is_float16_already_is_not_copied():
    h = np.ones((2, 3, 2, 2), np.float16)
    assert np.shares_memory(h_rows(h), h)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("bad", [70_000.0, -70_000.0, np.inf, -np.inf, np.nan, -np.nan])
@pytest.mark.filterwarnings("ignore:overflow")
def test_overflow_is_refused(bad, dtype):
    h = np.zeros((2, 3, 2, 2), np.float32)
    h[1, 0, 0, 0] = bad
    with pytest.raises(
        ValueError, match="h holds NaN.*Look for NaN" if np.isnan(bad) else "float16.*Sample in float32"
    ):
        h_column(h.astype(dtype))


def test_all_that_float16_holds_is_taken():
    bits = np.arange(2**16, dtype=np.uint16).view(np.float16)
    finite = bits[np.isfinite(bits)].reshape(1, -1)
    np.testing.assert_array_equal(h_rows(finite.astype(np.float32)).view(np.uint16), finite.view(np.uint16))
    for one in bits[~np.isfinite(bits)]:
        with pytest.raises(ValueError, match="NaN" if np.isnan(one) else "float16"):
            h_rows(np.array([[1, one]]))


def test_what_float16_cannot_tell_apart_is_refused_and_zeros_are_not():
    h = np.zeros((2, 4), np.float32)
    assert h_rows(h).shape == (2, 4)
    for tiny in (6e-5, -6e-5, 1e-9):  # fewer digits; none
        h[1, 2] = tiny
        with pytest.raises(ValueError, match="fewer and fewer digits.*\n.*another point"):
            h_rows(h)
    h[0, 0] = -1
    assert h_rows(h)[0, 0] == -1


def test_of_several_points_the_one_that_overflows_is_named():
    schema = activations_schema({"mid_block": (2,), "up_blocks.1": (3,)})
    h = np.ones((2, 5), np.float32)
    h[0, 4] = 1e5
    with pytest.raises(ValueError, match="up_blocks.1: h has .value. up to 100000.*\n.*another point"):
        step_table([0, 1], 0, 999, h, schema)
