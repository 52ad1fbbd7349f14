"""Disentangling by projection, Eq. 12 of Haas et al. 2024: v = (I - V (V^T V)^-1 V^T) v_0."""

import numpy as np


def project_out(v_0: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Remove from v_0 what it shares with k other directions, jointly, over the whole trajectory flattened.

    v_0: any shape; others: (k, *shape of v_0). Returns v with <v, v_i> = 0 to rounding for every i, in v_0's shape and
    float64. The k directions may correlate, or even repeat: the k x k Gram matrix is inverted in the least-squares sense.
    """
    v = v_0.astype(np.float64).ravel()
    V = others.astype(np.float64).reshape(len(others), -1)  # (k, D), rows
    norms = np.linalg.norm(V, axis=1, keepdims=True)
    V = V / np.where(norms > 0, norms, 1)
    for _ in range(2):  # the second pass removes what rounding left of the first
        coefficients = np.linalg.lstsq(V @ V.T, V @ v, rcond=None)[0]
        v = v - coefficients @ V
    return v.reshape(v_0.shape)
