"""The top singular vectors of a Jacobian that is never stored: what changes an output most (Haas et al. 2024, Sec. IV-B).

    J_t = d eps_t(x_t, h_t) / d h_t,  x_t held fixed                                       (6)

Its right singular vectors are orthogonal directions of h, in the order of how much they change eps_t, and the predicted image
with it. With a mask M they are those of eps * M (9, 10).

Two methods find them from products with J and J^T alone. "subspace" is the paper's: Alg. 1, and with `block` < k its Alg. 2 (SM E),
which finds the vectors a block after another. It forgets all products but the last, and as the singular values of a U-Net lie close
together it needs very many. "krylov" keeps every product: its subspace grows by the residuals of what has not converged (block
Lanczos, Golub & Underwood 1977), and a Rayleigh-Ritz step takes the best from all of it. Same vectors, a fraction of the products.

Shapes: B samples, k singular vectors, m vectors of a basis; h and the output are (B, ...), with D and E numbers a sample.
"""

import warnings
from collections.abc import Callable
from typing import ClassVar, Literal, NamedTuple, Protocol, get_args

import torch
from torch import Tensor
from torch.func import jvp, vjp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from pipeline.errors import UserError
from pipeline.signs import signs

Function = Callable[[Tensor], Tensor]  # (B, ...) -> (B, ...); row i of the output depends on row i of the input alone

Method = Literal["krylov", "subspace"]

_TINY = 1e-2  # of the largest singular value: residuals of smaller ones are measured against this
_PASSES = 8  # of Gram-Schmidt, at most; two mostly
_NONE = 1e-6  # of the largest singular value: below, J has no such direction


class Subspace(NamedTuple):
    """J = U diag(S) Vt on the subspace, and how well that holds."""

    U: Tensor  # (B, k, ...) left singular vectors, of the output's shape; zero where S is
    S: Tensor  # (B, k) singular values, largest first
    Vt: Tensor  # (B, k, ...) right singular vectors, of h's shape: orthonormal, the largest entry of each positive
    residuals: Tensor  # (B, k) |J^T u - s v| / s_1, no unit
    change: Tensor  # (B,) sine of the largest angle between this subspace and the one an iteration before
    products: int  # vectors that each sample's J was applied to, and J^T after it
    formulation: str  # "forward mode" or "double backward": how J v was computed


def jacobian_subspace(
    f: Function,
    h: Tensor,
    k: int,
    *,
    method: Method = "krylov",
    block: int | None = None,
    start: Tensor | None = None,
    tolerance: float = 1e-3,
    iterations: int = 50,
    seed: int = 0,
) -> Subspace:
    """The k largest singular values and their vectors, of the Jacobian of f at each row of h (B, ...).

    At most `block` vectors are multiplied at once, all k by default; fewer take less memory and more time. `start` (B, m, ...) is a
    first guess, such as the vectors of the step before; random vectors otherwise. "krylov" stops when every residual is within
    `tolerance`, "subspace" when the subspace changes by no more, and both after so many `iterations` at the latest: the result says
    what was reached. Raises UserError for more vectors than h or the output has numbers, and where f has no derivative.
    """
    if method not in get_args(Method):
        raise UserError(f"{method!r} is no method; expected one of {', '.join(get_args(Method))}.")
    J = _Jacobian(f, h.detach(), k if block is None else block)
    if not 1 <= k <= min(J.D, J.E):
        raise UserError(f"{k} singular vectors of a Jacobian of {J.E} x {J.D}: expected 1 to {min(J.D, J.E)}.")
    if not 1 <= J.block <= k:
        raise UserError(f"Blocks of {J.block} vectors: expected 1 to {k}, the number of singular vectors.")

    first = J.block if method == "krylov" else k
    guess = J.gaussian(first, seed) if start is None else start.flatten(2).to(h)
    find = _krylov if method == "krylov" else _subspace_iteration
    ritz, change = find(J, guess, k, tolerance, iterations)
    return _result(J, ritz, change)


def masked(f: Function, mask: Tensor) -> Function:
    """f * M (Eq. 10): what f does inside a region. M is (B or 1, 1, height, width), 0 to 1."""
    return lambda h: f(h) * mask


# Products


class _Jacobian:
    """J of f at h, as its products with vectors. Where a kernel of f has no forward mode, it goes over to double backward."""

    def __init__(self, f: Function, h: Tensor, block: int):
        self.f, self.h, self.block = f, h, block
        with torch.no_grad():
            self.output_shape = f(h).shape  # an error of f itself ends here
        self.B, self.D, self.E = len(h), h[0].numel(), self.output_shape[1:].numel()
        self.kind: type[_Products] = _ForwardMode
        self.products: _Products | None = None
        self.count = 0  # vectors multiplied so far

    def gaussian(self, m: int, seed: int) -> Tensor:
        """The same m random vectors for every sample, so that a sample's result is its own: (B, m, D)."""
        drawn = torch.randn(m, self.D, generator=torch.Generator().manual_seed(seed))
        return drawn.to(self.h).expand(self.B, -1, -1)

    def __call__(self, V: Tensor) -> "_Span":
        """J V and J^T J V of V (B, m, D), at most a block of vectors at once."""
        self.count += V.shape[1]
        blocks = [self._block(part) for part in V.split(self.block, dim=1)]
        span = _Span(V, torch.cat([U for U, _ in blocks], 1), torch.cat([W for _, W in blocks], 1))
        if not span.W.isfinite().all():
            raise UserError("The Jacobian's products are not finite: look at h and at the model's output for NaN.")
        return span

    def _block(self, V: Tensor) -> tuple[Tensor, Tensor]:
        vectors = V.transpose(0, 1).reshape(-1, *self.h.shape)  # (m, B, ...): the first axis is vmap's
        U, W = self._multiply(vectors)
        return U.flatten(2).transpose(0, 1), W.flatten(2).transpose(0, 1)

    def _multiply(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """J V and J^T J V, by the first formulation that every kernel of f has."""
        try:
            if self.products is None:
                self.products = self.kind(self.f, self.h)
            return self.products(vectors)
        except torch.OutOfMemoryError:
            raise
        except (NotImplementedError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            if self.kind is _DoubleBackward:
                raise UserError(
                    f"This function has no Jacobian by double backward either ({reason}).\n"
                    "Where a fused attention kernel is to blame, call `unet.set_default_attn_processor()` first."
                ) from error
            warnings.warn(f"No forward mode ({reason}): the Jacobian takes double backward.", stacklevel=5)
        self.kind, self.products = _DoubleBackward, None
        return self._multiply(vectors)


class _Products(Protocol):
    formulation: ClassVar[str]

    def __init__(self, f: Function, h: Tensor): ...

    def __call__(self, V: Tensor) -> tuple[Tensor, Tensor]:
        """Return J V and J^T J V of vectors V (m, B, ...) of h's shape."""
        ...


class _ForwardMode:
    """J v in forward mode, J^T u in reverse mode; f itself runs once for all vectors. Attention runs unfused, which has both."""

    formulation: ClassVar[str] = "forward mode"

    def __init__(self, f: Function, h: Tensor):
        self.f, self.h = f, h
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            _, self.pull = vjp(f, h)  # type: ignore[misc]

    def __call__(self, V: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            U = vmap(lambda v: jvp(self.f, (self.h,), (v,))[1])(V)
            return U, vmap(lambda u: self.pull(u)[0])(U)


class _DoubleBackward:
    """J v as the derivative of u -> J^T u, which is linear in u: by reverse mode alone, one vector at a time."""

    formulation: ClassVar[str] = "double backward"

    def __init__(self, f: Function, h: Tensor):
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            self.h = h.clone().requires_grad_()
            self.output = f(self.h)
            self.u = torch.zeros_like(self.output, requires_grad=True)
            self.pulled = torch.autograd.grad(self.output, self.h, self.u, create_graph=True)[0]

    def __call__(self, V: Tensor) -> tuple[Tensor, Tensor]:
        U = torch.stack([torch.autograd.grad(self.pulled, self.u, v, retain_graph=True)[0] for v in V])
        return U, torch.stack([torch.autograd.grad(self.output, self.h, u, retain_graph=True)[0] for u in U])


# The two methods


class _Span(NamedTuple):
    """Some orthonormal vectors, and what J makes of them."""

    V: Tensor  # (B, m, D)
    U: Tensor  # J V (B, m, E)
    W: Tensor  # J^T J V (B, m, D)

    def joined(self, other: "_Span") -> "_Span":
        return _Span(*(torch.cat(pair, dim=1) for pair in zip(self, other, strict=True)))


class _Ritz(NamedTuple):
    """The best that a span has to offer: vectors in it that J keeps orthogonal."""

    V: Tensor  # (B, k, D)
    U: Tensor  # J V (B, k, E)
    S: Tensor  # |J v| (B, k), largest first
    rest: Tensor  # J^T J v - s^2 v (B, k, D)
    residuals: Tensor  # (B, k)


def _krylov(J: _Jacobian, guess: Tensor, k: int, tolerance: float, iterations: int) -> tuple[_Ritz, Tensor]:
    span = J(_orthonormal(guess))
    ritz, change = _rayleigh_ritz(span, k), J.h.new_ones(J.B)
    for _ in range(iterations - 1):
        open_ = int((ritz.residuals > tolerance).sum(dim=1).max())
        room = min(J.block, max(open_, k - span.V.shape[1]), J.D - span.V.shape[1])
        if room == 0:
            break
        worst = ritz.residuals.topk(min(room, ritz.residuals.shape[1]), dim=1).indices
        grown = ritz.rest.gather(1, worst[:, :, None].expand(-1, -1, J.D))
        span = span.joined(J(_orthonormal(grown, span.V)))
        before, ritz = ritz, _rayleigh_ritz(span, k)
        change = _sine(ritz.V, before.V)
    return ritz, change


def _subspace_iteration(J: _Jacobian, guess: Tensor, k: int, tolerance: float, iterations: int) -> tuple[_Ritz, Tensor]:
    found = _Span(*(guess.new_zeros(J.B, 0, size) for size in (J.D, J.E, J.D)))
    changes = []
    for part in guess.split(J.block, dim=1):
        V = _orthonormal(part, found.V)  # I - V (V^T V)^-1 V^T of Alg. 2; V is orthonormal
        for _ in range(iterations):
            span = J(V)  # U <- J V, W <- J^T U
            V = _orthonormal(span.W, found.V)  # V <- SVD(W): the same subspace
            change = _sine(V, span.V)
            if change.max() <= tolerance:
                break
        changes.append(change)
        found = found.joined(span)
    return _rayleigh_ritz(found, k), torch.stack(changes).amax(dim=0)


def _rayleigh_ritz(span: _Span, k: int) -> _Ritz:
    """Return singular vectors from the eigenvectors of V^T J^T J V, which are exact inside the span.

    Their singular values are quadratically close to those outside it.
    """
    image = span.U.double()
    squares, turns = torch.linalg.eigh(image @ image.mT)
    squares, turns = squares.flip(-1)[:, :k].clamp(min=0), turns.flip(-1)[:, :, :k].mT.to(span.V)  # (B, k), (B, k, m)
    S, V = squares.sqrt().to(span.V), turns @ span.V
    rest = turns @ span.W - S.square()[..., None] * V
    return _Ritz(V, turns @ span.U, S, rest, rest.norm(dim=-1) / _not_zero(S[:, :1] * S.clamp(min=_TINY * S[:, :1])))


def _orthonormal(rows: Tensor, to: Tensor | None = None) -> Tensor:
    """An orthonormal basis of the span of `rows` (B, m, D), orthogonal to the orthonormal `to`.

    Again for rounding, until a pass takes less than half of every row (Kahan's criterion). Rows of which nothing is left, as of a
    sample whose J is of lower rank than another's, are made random ones: the same for all samples.
    """
    basis = rows[:, :0] if to is None else to
    lost = 100 * torch.finfo(rows.dtype).eps
    for turn in range(_PASSES):
        before, rows = rows.norm(dim=-1), _without(rows, basis)
        after = rows.norm(dim=-1)
        if (gone := after <= lost * before).any():
            others = torch.randn(rows.shape[1:], generator=torch.Generator().manual_seed(turn)).to(rows)
            rows = torch.where(gone[..., None], _without(others.expand_as(rows), basis), rows)
        rows = torch.linalg.qr(rows.mT).Q.mT
        if turn and not (after < before / 2).any():
            break
    return rows


def _without(rows: Tensor, basis: Tensor) -> Tensor:
    """What is left of rows (B, m, D) beside orthonormal ones."""
    return rows - (rows @ basis.mT) @ basis


def _sine(new: Tensor, old: Tensor) -> Tensor:
    """Return the sine of the largest angle from the subspace of new (B, k, D) to that of old; 1 while that has fewer vectors."""
    if old.shape[1] < new.shape[1]:
        return new.new_ones(len(new))
    return torch.linalg.matrix_norm(new - (new @ old.mT) @ old, ord=2)


def _not_zero(values: Tensor) -> Tensor:
    return torch.where(values == 0, torch.ones_like(values), values)


def _result(J: _Jacobian, ritz: _Ritz, change: Tensor) -> Subspace:
    sign = signs(ritz.V)[..., None]
    there = _NONE * ritz.S[:, :1] < ritz.S
    U = torch.where(there[..., None], ritz.U / _not_zero(ritz.S)[..., None], 0) * sign
    return Subspace(
        U.unflatten(2, J.output_shape[1:]),
        ritz.S,
        (ritz.V * sign).unflatten(2, J.h.shape[1:]),
        ritz.residuals,
        change,
        J.count,
        J.kind.formulation,
    )
