"""One rule for the sign of what has none of its own, such as an eigenvector: its entry that is largest in magnitude is positive.

Libraries leave the sign open, and it turns with the kind of machine or the number of threads. Directions of an attribute need no
rule: they point to more of it.
"""

import numpy as np
import torch
from torch import Tensor


def signs(rows: Tensor) -> Tensor:
    """Return 1 or -1 for each row (..., D), by which it is to be multiplied: (...). Of equally large entries the first counts."""
    largest = rows.gather(-1, rows.abs().argmax(dim=-1, keepdim=True))[..., 0]
    return torch.where(largest < 0, -1.0, 1.0).to(rows)


def signed(rows: np.ndarray) -> np.ndarray:
    """Rows (n, ...), each with the sign that the rule gives it."""
    flat = np.ascontiguousarray(rows.reshape(len(rows), -1))
    return (flat * signs(torch.from_numpy(flat)).numpy()[:, None]).reshape(rows.shape)
