"""Principal components (Haas et al. 2024, Sec. IV-A) of samples as they stream by; `pipeline.estimators.components` has exact ones.

Of the n samples seen there remain their mean and L (r, D), the leading components, each as long as its singular
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

Shapes: n samples, D = C*H*W numbers of one step, b rows in a batch, r kept components, k wanted ones.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Self

import numpy as np
import torch
from torch import Tensor

from pipeline.batches import batches
from pipeline.estimators.components import Components, rank, stands_clear
from pipeline.estimators.dual import AnyArray
from pipeline.signs import signs

State = dict[str, np.ndarray]

LARGEST = 1e15  # beyond it, sums of products overflow float32
COLUMNS = 2048  # of the D at a time: what is worked on fits into the processor's cache
PANEL = 64  # columns of a Gram matrix at a time, so that little above its diagonal is computed


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

        Raises ValueError for rows of another D, and for NaN, infinity and numbers that are nearly that, and stays as it was.
        """
        rows = _tensor(X)
        self.check(rows)
        self._gives_numpy = not isinstance(X, Tensor)
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

        Not commutative to the bit: where that matters, merge in a fixed order (as `sketch.merge_in_tree` does).
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

    def check(self, X: AnyArray) -> None:
        """Raise ValueError for rows that `partial_fit` refuses."""
        rows = _tensor(X)
        self._check_shape(rows)
        for some in batches(len(rows), self.batch):
            low, high = rows[some].aminmax()  # NaN where there is any
            if float(low) > -LARGEST and float(high) < LARGEST:
                continue
            first = some.start + int((~(rows[some].abs() < LARGEST).all(dim=1)).to(torch.uint8).argmax())
            raise ValueError(
                f"There is NaN, infinity or a number of {LARGEST:g} or more in row {first} of these {len(rows)}, row "
                f"{self.n_samples_seen_ + first} of all: leave it out. Nothing was learned of these rows."
            )

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
        """The components, (n_components, D) float32, of length 1; fewer where the samples span fewer dimensions.

        Below n_components + 1 samples they always do, and what is only rounding of float32 spans none. Of whatever else has a
        value a component, there are as many. The entry of each that is largest in magnitude is positive.
        """
        lengths = self._leading.sqrt()
        vectors = self._settled._signed(len(lengths))
        return self._given(vectors / lengths.to(vectors)[:, None])

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
        settled = self._settled
        clear = stands_clear(settled._energies.numpy(), settled._bound)
        return self._given(torch.from_numpy(clear[: len(self._leading)]))

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
        settled = self._settled
        return settled._energies[: min(self.n_components, settled._rank)]

    @property
    def _rank(self) -> int:
        """How many of the kept components are more than rounding."""
        return rank(self._energies.numpy(), self._energy, self.keep + self.batch)

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
        self._check_shape(rows)
        if not len(self._mean):
            self._stack = torch.empty(self.keep + self.batch, rows.shape[1], device=rows.device)
            self._mean = torch.zeros(rows.shape[1], dtype=torch.float64, device=rows.device)

    def _check_shape(self, rows: Tensor) -> None:
        D = len(self._mean)
        if rows.ndim != 2 or (D and rows.shape[1] != D) or not rows.shape[1]:
            raise ValueError(f"Rows of the shape {tuple(rows.shape)}; expected (rows, {D or 'D'}).")

    def _fold(self) -> None:
        """The update: [L; Y - c] is cut down to L again, with Y the queued rows."""
        if self._queued == 0:
            return
        stack = self._in_use
        gram = _gram((self._centre(at) for at in _blocks(stack)), self._energies)
        self._energy += float(gram.diagonal()[len(self._energies) :].sum())
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


def components_of(pca: StreamingPCA, k: int) -> Components:
    """The k leading components of those that a streaming PCA keeps; k may be any number up to `keep`.

    Those beyond the dimensions that the samples span are zero.
    """
    settled = pca._settled
    if not 1 <= k <= len(settled._energies):
        raise ValueError(
            f"{k} components of {pca.n_samples_seen_} samples, of which {len(settled._energies)} are kept: "
            "ask for fewer, or fit more samples with a larger `keep`."
        )
    real = np.arange(k) < settled._rank
    return Components(
        (settled._signed(k) / np.sqrt(settled._n - 1)).cpu().numpy() * real[:, None].astype(np.float32),
        (settled._energies[:k] / settled._energy).numpy() * real if settled._energy else np.zeros(k),
        stands_clear(settled._energies.numpy(), settled._bound)[:k],
        None,
    )


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


def _blocks(rows: Tensor) -> Iterator[slice]:
    """Columns, some at a time."""
    return batches(rows.shape[1], COLUMNS)


def _tensor(X: AnyArray) -> Tensor:
    """X as a tensor in the same memory. It is only read, so torch need not warn that it may not be written."""
    if isinstance(X, Tensor):
        return X.detach()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(np.asarray(X))
