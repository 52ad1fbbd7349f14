"""A direction as it is added: by capture point, one or several at once."""

from math import prod

import numpy as np
import torch
from torch import Tensor

from pipeline.hspace.capture import singles
from pipeline.stages.sources.source import Source

Offsets = dict[str, Tensor]  # by capture point: (T, C, H, W) at most


def offsets(source: Source, v: np.ndarray, point: str) -> Offsets:
    """A direction (T, ...) by the capture points that it is of: one, or each of several at once."""
    parts = singles(point)
    shapes = [source.model.h_shape(each) for each in parts] if len(parts) > 1 else [v.shape[1:]]
    each = np.split(v.reshape(len(v), -1), np.cumsum(list(map(prod, shapes)))[:-1], axis=1)
    return {
        name: torch.from_numpy(np.ascontiguousarray(part).reshape(-1, *shape))
        for name, part, shape in zip(parts, each, shapes, strict=True)
    }
