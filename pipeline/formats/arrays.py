"""Arrays by name, as safetensors."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save

from pipeline.phases import phase


def write_vectors(path: Path, vectors: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> None:
    """Directions by name, as safetensors of float32."""
    write_arrays(path, {name: vector.astype(np.float32) for name, vector in vectors.items()}, metadata)


@phase("write")
def write_arrays(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> None:
    """Arrays by name, as safetensors."""
    path.write_bytes(save({name: np.asarray(array, order="C") for name, array in arrays.items()}, metadata))
