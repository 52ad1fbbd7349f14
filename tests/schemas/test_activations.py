"""h survives storage: shape, order and float16 values; what float16 cannot hold is refused."""

import numpy as np
import pyarrow as pa
import pytest

from schemas.activations import activations_schema, h_array, h_column, h_shape


def test_h_comes_back_as_it_went_in():
    h = np.random.default_rng(0).standard_normal((5, 3, 2, 2)).astype(np.float32)
    column = h_column(h)
    np.testing.assert_array_equal(h_array(column), h.reshape(5, -1).astype(np.float16))
    np.testing.assert_array_equal(h_array(column.slice(2, 2)), h.reshape(5, -1).astype(np.float16)[2:4])
    np.testing.assert_array_equal(h_array(pa.chunked_array([column, column]))[5:], h_array(column))


def test_a_file_declares_its_shape():
    schema = activations_schema((3, 2, 2))
    assert h_shape(schema) == (3, 2, 2)
    assert schema.field("h").type.byte_width == 24


@pytest.mark.parametrize("bad", [70_000.0, np.inf, np.nan])
def test_overflow_is_refused(bad):
    h = np.zeros((2, 3, 2, 2), np.float32)
    h[1, 0, 0, 0] = bad
    with pytest.raises(ValueError, match="float16"):
        h_column(h)
