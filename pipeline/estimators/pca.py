"""Principal components (Haas et al. 2024, Sec. IV-A), of samples as they stream by, or of up to about 20,000 exactly.

**Streaming.** Of the n samples seen there remain their mean and L (r, D), the leading components, each as long as its singular
value: B = L^T L stands for the scatter matrix C = sum (x - mean)(x - mean)^T. New rows Y (b, D) with mean m join by the update of
Ross et al. 2008. Centred at c, between the two means, they carry the correction of the mean along, exactly:

    C  <-  C + (Y - c)^T (Y - c),    c = m - sqrt(n / (n + b)) (m - mean)

The right singular vectors of the stack [L; Y - c] come from its Gram matrix, (r + b) x (r + b), with products in float32 and sums
and eigenvectors in float64. A singular value of a thousandth of the largest comes out to five digits; a ten-thousandth is rounding.

**What is lost.** Only the leading `keep` are kept. What an update cuts off is positive semidefinite, its largest eigenvalue is the
first one cut, and these add up, over merges too:

    0 <= C - B <= bound_ I                  (in the order of symmetric matrices)

`dropped_` is the trace of C - B, and `well_separated_` says which components the bound leaves standing. With `shrink` the kept
eigenvalues give up as much as the first one cut: frequent directions (Ghashami et al. 2016), whose bound is known beforehand.

**Exact.** The Gram matrix of all samples has the same nonzero eigenvalues as C.

Shapes: n samples, D = C*H*W numbers of one step, b rows in a batch, r kept components, k wanted ones.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor

from pipeline.estimators import dual
from pipeline.signs import signed, signs

AnyArray = Any  # a NumPy array or a torch tensor: for readers
Array = NDArray[np.floating]
State = dict[str, np.ndarray]

COLUMNS = 2048  # of the D at a time: what is worked on fits into the processor's cache
PANEL = 64  # columns of a Gram matrix at a time, so that little above its diagonal is computed
SEPARATED = 4  # times the bound: see `well_separated_`
ROUNDING = 1e-6  # of the largest eigenvalue: what float32 products may move any of them by


class StreamingPCA:
    """PCA of rows that come in any number of calls, in scikit-learn's conventions; NumPy or torch in, the same kind out.

    n_components: how many `components_` has, and `transform` gives.
    keep: how many are kept from update to update, by default 4 n_components. Keeping only those wanted loses the last of them.
    batch: rows of an update. They are queued until so many are there, so the result depends, to the bit, on the order of the rows
        and not on how they were split into calls; and who goes on from a saved state gets what an uninterrupted fit would have
        given. (To the bit: on the same kind of machine, with as many threads.)
    shrink: frequent directions. bound_ is then at most the sum of all eigenvalues of C beyond the j-th, over keep + 1 - j, for any
        j <= keep; in exchange, explained variances are low by up to bound_ / (n - 1).

    Memory is (keep + batch) x D float32, and as much again while attributes are read with rows in the queue.
    """

    def __init__(self, n_components: int, keep: int | None = None, batch: int = 256, shrink: bool = False) -> None:
        self.n_components = n_components
        self.keep = 4 * n_components if keep is None else keep
        self.batch = batch
        self.shrink = shrink
        if not 1 <= self.n_components <= self.keep or self.batch < 1:
            raise ValueError(
                f"n_components = {self.n_components}, keep = {self.keep}, batch = {self.batch}: "
                "expected 1 <= n_components <= keep, and at least one row a batch."
            )
        self._n = 0  # rows folded in
        self._queued = 0
        self._energy = 0.0  # trace of C
        self._bound = 0.0
        self._mean = torch.empty(0, dtype=torch.float64)  # (D,)
        self._energies = torch.empty(0, dtype=torch.float64)  # (r,) eigenvalues of B, largest first; on the CPU
        self._stack = torch.empty(0, 0)  # (keep + batch, D): kept components end at row `keep`, where the queue starts
        self._gives_numpy = True
        self._settled_copy: StreamingPCA | None = None

    # Learning

    def partial_fit(self, X: AnyArray) -> Self:
        """Learn from X (rows, D), floats of any width.

        Raises ValueError for rows of another D, and for NaN or infinity when their batch is folded in.
        """
        self._gives_numpy = not isinstance(X, Tensor)
        rows = _tensor(X)
        self._make_room(rows)
        while len(rows):
            taken = rows[: self.batch - self._queued]
            at = self.keep + self._queued
            self._stack[at : at + len(taken)].copy_(taken)
            self._queued += len(taken)
            self._settled_copy = None
            if self._queued == self.batch:
                self._fold()
            rows = rows[len(taken) :]
        return self

    def merge(self, other: "StreamingPCA") -> Self:
        """Learn what `other` has, its samples after these; `other` stays as it is. Rows in the queues are folded in first.

        Not commutative to the bit: where that matters, merge in a fixed order (`merge_in_tree`).
        """
        if (mine := self._hyperparameters()) != (others := other._hyperparameters()):
            raise ValueError(f"PCAs merge when they are set alike; these are {mine} and {others}.")
        other = other._settled
        if other._n == 0:
            return self
        self._make_room(other._stack)
        self._fold()
        n, m = self._n, other._n
        between = ((other._mean.to(self._mean) - self._mean) * np.sqrt(n * m / (n + m))).float()
        stack = torch.cat([self._kept, other._kept.to(self._stack), between[None]])

        self._n = n + m
        self._bound += other._bound
        self._energy += other._energy + float(between.square().sum(dtype=torch.float64))
        self._mean += (m / (n + m)) * (other._mean.to(self._mean) - self._mean)
        self._truncate(stack, _gram((stack[:, at] for at in _blocks(stack)), self._energies))
        self._settled_copy = None
        return self

    # What was learned

    @property
    def n_samples_seen_(self) -> int:
        return self._n + self._queued

    @property
    def mean_(self) -> AnyArray:
        """The mean of the rows seen, (D,) float64."""
        return self._given(self._settled._mean)

    @property
    def components_(self) -> AnyArray:
        """The components, (n_components, D) float32, of length 1; fewer while there are fewer than n_components + 1 samples.

        The entry of each that is largest in magnitude is positive.
        """
        lengths = self._settled._energies[: self.n_components].sqrt()
        vectors = self._settled._signed(self.n_components)
        return self._given(vectors / lengths.clamp(min=torch.finfo(torch.float32).tiny).to(vectors)[:, None])

    @property
    def singular_values_(self) -> AnyArray:
        """The singular values of the centred samples, (n_components,) float64."""
        return self._given(self._leading.sqrt())

    @property
    def explained_variance_(self) -> AnyArray:
        """The variance along each component, (n_components,) float64, with divisor n - 1."""
        return self._given(self._leading / max(1, self.n_samples_seen_ - 1))

    @property
    def explained_variance_ratio_(self) -> AnyArray:
        """The share of each component in the variance of everything seen, what was dropped included: (n_components,) float64."""
        energy = self._settled._energy
        return self._given(self._leading / energy if energy else self._leading)

    @property
    def dropped_(self) -> float:
        """The energy that was cut off: trace of C - B, in the units of singular values squared."""
        return max(0.0, self._settled._energy - float(self._settled._energies.sum()))

    @property
    def bound_(self) -> float:
        """No eigenvalue of C - B is above this."""
        return self._settled._bound

    @property
    def well_separated_(self) -> AnyArray:
        """Whether each component is sure to have a cosine of at least 0.989 to that of an exact PCA: (n_components,) bool.

        C is B + bound_ / 2 I and an error of norm at most bound_ / 2. By the sin theta theorem (Davis and Kahan 1970) the angle
        between a component of B and that of C has sin <= (bound_ / 2) / (gap - bound_ / 2), where gap is the distance of its
        eigenvalue to the nearest other one of B. A gap above 4 bound_ makes that less than 1/7. (Rounding counts as bound, with
        1e-6 of the largest eigenvalue.)
        """
        return self._given(torch.from_numpy(self._settled._well_separated(self.n_components)))

    def transform(self, X: AnyArray) -> AnyArray:
        """Scores of X (rows, D) on the components: (rows, n_components) float64, in the units of X."""
        rows = _tensor(X)
        if rows.ndim != 2 or rows.shape[1] != len(self._mean):
            raise ValueError(f"X has the shape {tuple(rows.shape)}; expected (rows, {len(self._mean)}).")
        mean = self._settled._mean.to(rows.device, torch.float32)
        components = torch.as_tensor(self.components_, device=rows.device)
        scores = torch.zeros(len(rows), len(components), dtype=torch.float64, device=rows.device)
        for at in _blocks(rows):
            scores += (rows[:, at].float() - mean[at]) @ components[:, at].T
        return scores if isinstance(X, Tensor) else scores.numpy()

    # Saved and found again

    def state(self) -> State:
        """All that it is, as arrays by name: the same state gives the same bytes."""
        numbers = {**self._hyperparameters(), "n": self._n, "energy": self._energy, "bound": self._bound}
        arrays = {"mean": self._mean, "energies": self._energies, "kept": self._kept, "queue": self._queue}
        return {
            **{name: np.array(number) for name, number in numbers.items()},
            **{name: array.cpu().numpy().copy() for name, array in arrays.items()},
        }

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray]) -> Self:
        """The PCA that had this state; on the CPU."""
        pca = cls(*(state[name].item() for name in ("n_components", "keep", "batch", "shrink")))
        kept, queue = _tensor(state["kept"]), _tensor(state["queue"])
        if kept.shape[1]:
            pca._make_room(kept)
        pca._n, pca._queued = state["n"].item(), len(queue)
        pca._energy, pca._bound = state["energy"].item(), state["bound"].item()
        pca._mean, pca._energies = _tensor(state["mean"]).clone(), _tensor(state["energies"]).clone()
        pca._kept.copy_(kept)
        pca._queue.copy_(queue)
        return pca

    def save(self, path: str | Path) -> None:
        """Write the state to a safetensors file."""
        save_file(self.state(), path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        return cls.from_state(load_file(path))

    # Inside

    def _hyperparameters(self) -> dict[str, int | bool]:
        return {"n_components": self.n_components, "keep": self.keep, "batch": self.batch, "shrink": self.shrink}

    @property
    def _kept(self) -> Tensor:
        """L: (r, D)."""
        return self._stack[self.keep - len(self._energies) : self.keep]

    @property
    def _queue(self) -> Tensor:
        """Y: (b, D)."""
        return self._stack[self.keep : self.keep + self._queued]

    @property
    def _in_use(self) -> Tensor:
        """[L; Y]: (r + b, D)."""
        return self._stack[self.keep - len(self._energies) : self.keep + self._queued]

    @property
    def _leading(self) -> Tensor:
        return self._settled._energies[: self.n_components]

    @property
    def _settled(self) -> "StreamingPCA":
        """This PCA with the queue folded in; itself where the queue is empty."""
        if self._queued == 0:
            return self
        if self._settled_copy is None:
            copy = deepcopy(self)
            copy._fold()
            self._settled_copy = copy
        return self._settled_copy

    def _given(self, values: Tensor) -> AnyArray:
        """A copy, of the kind that the last rows had."""
        return values.cpu().numpy().copy() if self._gives_numpy else values.to(self._stack.device, copy=True)

    def _make_room(self, rows: Tensor) -> None:
        """The stack, once D is known: as wide as the rows, and where they are."""
        D = len(self._mean)
        if rows.ndim != 2 or (D and rows.shape[1] != D) or not rows.shape[1]:
            raise ValueError(f"Rows of the shape {tuple(rows.shape)}; expected (rows, {D or 'D'}).")
        if not D:
            self._stack = torch.empty(self.keep + self.batch, rows.shape[1], device=rows.device)
            self._mean = torch.zeros(rows.shape[1], dtype=torch.float64, device=rows.device)

    def _fold(self) -> None:
        """The update: [L; Y - c] is cut down to L again, with Y the queued rows."""
        if self._queued == 0:
            return
        stack = self._in_use
        gram = _gram((self._centre(at) for at in _blocks(stack)), self._energies)
        new = float(gram.diagonal()[len(self._energies) :].sum())
        if not np.isfinite(new):
            raise ValueError(
                f"There is NaN or infinity in rows {self._n} to {self.n_samples_seen_ - 1}: leave such rows out, and fit again."
            )
        self._energy += new
        self._n, self._queued = self.n_samples_seen_, 0
        self._truncate(stack, gram)

    def _centre(self, at: slice) -> Tensor:
        """Centre the queued rows at c in some columns, in place, bring the mean up to date, and return the stack there.

        First they are brought near 0, by a value near their mean, so that float32 holds all the digits of what is left.
        """
        n, b, rows, mean = self._n, self._queued, self._queue[:, at], self._mean[at]
        near = (mean if n else rows[0]).to(torch.float32, copy=True)
        rows -= near
        m = near + rows.mean(0).double()
        c = m - np.sqrt(n / (n + b)) * (m - mean)
        rows -= (c - near).float()
        mean += (b / (n + b)) * (m - mean)
        return self._in_use[:, at]

    def _truncate(self, stack: Tensor, gram: Tensor) -> None:
        """Make the leading components of a stack with this Gram matrix the new L, each as long as its singular value."""
        values, vectors = torch.linalg.eigh(gram)  # of the lower triangle; smallest first
        values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
        rank = min(len(values), stack.shape[1], self._n - 1)  # n centred samples have no more than n - 1
        r = min(self.keep, rank)
        cut = float(values[r]) if r < rank else 0.0
        self._bound += cut
        self._energies = values[:r] - cut if self.shrink else values[:r].clone()

        shorter = (self._energies / values[:r]).nan_to_num().sqrt()
        rotation = (vectors[:, :r] * shorter).T.to(stack)
        for at in _blocks(stack):
            self._kept[:, at] = rotation @ stack[:, at]

    def _signed(self, k: int) -> Tensor:
        """The first k rows of L, with their signs as stated."""
        rows = self._kept[:k]
        return rows * signs(rows)[:, None]

    def _well_separated(self, k: int) -> NDArray[np.bool_]:
        return _stands_clear(self._energies.numpy(), self._bound)[:k]


# Components, as the stages have them


@dataclass(frozen=True)
class Components:
    """Leading components of one step. The entry of each that is largest in magnitude is positive."""

    vectors: np.ndarray  # (k, D) float32, each as long as one standard deviation of the samples' scores
    explained_variance_ratio: np.ndarray  # (k,)
    well_separated: np.ndarray  # (k,) bool: not lost among its neighbours, by what was dropped or by rounding
    scores: np.ndarray | None  # (n, k) of the samples, along components of length 1; None where they are not at hand


def components_of(pca: StreamingPCA, k: int) -> Components:
    """The k leading components of those that a streaming PCA keeps; k may be any number up to `keep`."""
    settled = pca._settled
    if not 1 <= k <= len(settled._energies):
        raise ValueError(
            f"{k} components of {pca.n_samples_seen_} samples, of which {len(settled._energies)} are kept: "
            "ask for fewer, or fit more samples with a larger `keep`."
        )
    return Components(
        (settled._signed(k) / np.sqrt(settled._n - 1)).cpu().numpy(),
        (settled._energies[:k] / settled._energy).numpy() if settled._energy else np.zeros(k),
        settled._well_separated(k),
        None,
    )


def exact_pca(h: AnyArray, k: int) -> Components:
    """The k leading components of h (n, D), float16 or float32, through the Gram matrix of the samples; n up to about 20,000."""
    mean, _ = dual.moments(h)
    gram = dual.numpy(dual.gram(h, mean))
    values, U = _largest(gram, k)
    vectors = dual.combine(U.T / np.sqrt(len(h) - 1), h, mean)
    sign = signs(torch.from_numpy(vectors)).numpy()
    return Components(
        vectors * sign[:, None],
        _share(values[:k], gram),
        _stands_clear(values)[:k],
        U * np.sqrt(values[:k]) * sign,
    )


def components_from_gram(gram: AnyArray, k: int) -> tuple[Array, Array]:
    """Components as sums of samples, from the Gram matrix (n, n) of centred samples: weights (k, n), explained variance ratio (k,).

    weights @ (h_t - mean_t) is the part at step t of components one standard deviation long, where `gram` is the sum of the steps'
    Gram matrices: one PCA of whole trajectories. The largest weight in magnitude is positive.
    """
    gram = dual.numpy(gram)
    values, U = _largest(gram, k)
    weights = U.T / np.sqrt(len(gram) - 1)
    return signed(weights), _share(values[:k], gram)


# In a tree


class Mergeable(Protocol):
    def merge(self, other: Self) -> Self:
        """What both have, this one's first."""
        ...


M = TypeVar("M", bound=Mergeable)


def merge_in_tree(states: Iterable[tuple[int, M]], n_parts: int) -> M:
    """Merge the states of parts 0 ... n_parts - 1, which may arrive in any order; the result has the same bytes whatever the order.

    A binary tree over the part numbers: 0 with 1, 2 with 3, then the pairs, and so on; who has no neighbour moves up. Neighbours
    merge as soon as both are there, so of states that come in order about log2 n_parts wait. `merge` may change its operands.
    Raises ValueError for part numbers that are missing, come twice, or are none of these.
    """
    arrived: set[int] = set()
    waiting: dict[tuple[int, int], M] = {}  # (level, place in it)
    for part, state in states:
        if not 0 <= part < n_parts or part in arrived:
            what = "came twice" if part in arrived else "came"
            raise ValueError(f"Part {part} {what}; expected each of the {n_parts} parts, from 0 on, once.")
        arrived.add(part)
        _climb(waiting, part, state, n_parts)
    missing = sorted(set(range(n_parts)) - arrived)
    if missing or not arrived:
        raise ValueError(f"Parts {missing} did not come; expected each of the {n_parts} parts once, and at least one.")
    return waiting.popitem()[1]


def _climb(waiting: dict[tuple[int, int], M], place: int, state: M, width: int) -> None:
    """Put a state in its place, merged with its neighbour if that is there, and so on up the tree."""
    level = 0
    while width > 1:
        neighbour = place ^ 1
        if neighbour < width:
            if (level, neighbour) not in waiting:
                break
            other = waiting.pop((level, neighbour))
            state = state.merge(other) if place < neighbour else other.merge(state)
        level, place, width = level + 1, place // 2, (width + 1) // 2
    waiting[level, place] = state


# Linear algebra


def _gram(blocks: Iterable[Tensor], energies: Tensor) -> Tensor:
    """Lower triangle of the Gram matrix of rows that come in blocks of columns: (m, m) float64, on the CPU.

    The first rows are orthogonal to one another and have these energies: their products are known.
    """
    r = len(energies)
    gram: Tensor | None = None
    for block in blocks:
        m = len(block)
        if gram is None:
            gram = torch.zeros(m, m, dtype=torch.float64, device=block.device)
        for start, stop in [(0, r), *((i, min(i + PANEL, m)) for i in range(r, m, PANEL))]:
            below = max(start, r)
            gram[below:, start:stop] += block[below:] @ block[start:stop].T
    assert gram is not None
    gram = gram.cpu()
    gram.diagonal()[:r] = energies
    return gram


def _largest(gram: Array, k: int) -> tuple[Array, Array]:
    """The k + 1 largest eigenvalues of a Gram matrix (n, n), and the eigenvectors (n, k) of the first k."""
    n = len(gram)
    if not 1 <= k < n:
        raise ValueError(f"{k} components of {n} samples: expected 1 to {n - 1}.")
    values, U = scipy.linalg.eigh(gram, subset_by_index=[n - k - 1, n - 1])
    return values[::-1].clip(min=0), U[:, :0:-1]


def _share(values: Array, gram: Array) -> Array:
    total = np.trace(gram)
    return values / total if total else values


def _stands_clear(values: Array, bound: float = 0.0) -> NDArray[np.bool_]:
    """Which eigenvalues (largest first, no other above 0) have a gap to both neighbours that an error of 0 to bound leaves open."""
    if len(values) == 0:
        return np.zeros(0, bool)
    gaps = -np.diff(values, prepend=np.inf, append=0.0)
    return np.minimum(gaps[:-1], gaps[1:]) > SEPARATED * (bound + ROUNDING * values[0])


def _blocks(rows: Tensor) -> Iterator[slice]:
    """Columns, some at a time."""
    return (slice(start, start + COLUMNS) for start in range(0, rows.shape[1], COLUMNS))


def _tensor(X: AnyArray) -> Tensor:
    """X as a tensor in the same memory. It is only read, so torch need not warn that it may not be written."""
    if isinstance(X, Tensor):
        return X.detach()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(np.asarray(X))
