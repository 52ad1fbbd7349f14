"""Singular vectors of the Jacobian of h, against power iteration: `python -m benchmarks.jacobian [--quick]`.

    krylov               ours: from h on only the decoder runs, k vectors at once, and no product is forgotten
    subspace iteration   ours too: Alg. 1 of the paper, with the same products
    power iteration      one vector at a time, orthogonal to those found; each product runs the whole U-Net, with h moved by a hook.
                         That is what one writes from the equations, and what the published code does

All start a step from the vectors that ours found at the step before, and stop when the residual |J^T u - s v| / s_1 is within the
tolerance. Power iteration is stopped after so many iterations a vector, which only favours it: the residuals that are reached stand
beside the times. At one step it may go on for longer. Alg. 1 has as many iterations. Ours runs every step of the sample, the others
some of them, in turns; the ratio of times is that of the same steps.

Accuracy is against the exact SVD of one step. On an untrained U-Net of the configuration of google/ddpm-ema-celebahq-256 a product
of each is timed alone: the power iteration of a whole step would take an hour there. Memory is the peak of a process of its own for
one iteration there, above what it held before: all vectors at once (Alg. 1), and in blocks (Alg. 2).

Shapes: k singular vectors, C H W bottleneck.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.func import jvp, vjp
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks._memory import forget_peak, memory
from benchmarks._report import verdict
from benchmarks.sample import CELEBAHQ, QUICK_CELEBAHQ, write_untrained
from pipeline.domains import portraits
from pipeline.hspace.denoiser import Denoiser
from pipeline.hspace.jacobian import Method, Subspace, jacobian_subspace
from pipeline.hspace.noise import NoiseStreams
from pipeline.hspace.reverse_process import ReverseProcess
from pipeline.models import pretrained

# The project's own bars.
TARGETS = {
    "speedup": (">=", 5.0),  # over power iteration, on the steps that it ran
    "largest_error_of_S": ("<=", 1e-4),  # relative, against the exact SVD
    "smallest_cosine": (">=", 0.9999),  # of a vector whose singular value stands apart, against the exact SVD
}

K = 8
TOLERANCE = 1e-3
APART = 0.005  # of the largest singular value: the distance from both neighbours


@dataclass(frozen=True)
class Size:
    """How much of the comparison is run."""

    T: int
    compared: tuple[int, ...]  # steps that power iteration runs as well
    patient: int  # that of them at which it may go on
    cap: int  # its iterations a vector
    patience: int  # at that step
    exact: int | None  # step whose whole Jacobian is computed


FULL = Size(T=16, compared=(3, 7, 11, 15), patient=7, cap=25, patience=300, exact=7)
QUICK = Size(T=2, compared=(1,), patient=1, cap=25, patience=25, exact=None)


@dataclass
class Way:
    """What one of the methods took, by step."""

    seconds: dict[int, float] = field(default_factory=dict)
    products: dict[int, int] = field(default_factory=dict)
    residual: dict[int, float] = field(default_factory=dict)
    found: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)  # S (k,), V (k, D)

    def take(self, step: int, run: Callable[[], "Found"]) -> None:
        """Run a step."""
        began = time.perf_counter()
        found = run()
        self.seconds[step] = time.perf_counter() - began
        self.products[step], self.residual[step] = found.products, found.residual
        self.found[step] = found.S, found.V


@dataclass(frozen=True)
class Found:
    S: Tensor  # (k,)
    V: Tensor  # (k, D)
    products: int
    residual: float  # the largest


def main() -> int:
    quick = "--quick" in sys.argv[1:]
    size = QUICK if quick else FULL
    torch.manual_seed(0)
    print(f"Load average at the start: {os.getloadavg()[0]:.1f}; threads: {torch.get_num_threads()}")

    ours, alg1, power, exact = bundled(size)
    show(ours, alg1, power, size)
    compared = size.compared
    seconds = {name: sum(way.seconds[step] for step in compared) for name, way in (("ours", ours), ("power", power))}
    figures = {
        "speedup": seconds["power"] / seconds["ours"],
        "speedup_where_it_could_go_on": power.seconds[size.patient] / ours.seconds[size.patient],
        "seconds_all_steps": sum(ours.seconds.values()),
        "products_vs_subspace_iteration": mean_ratio(alg1.products, ours.products, compared),
        "residual": max(ours.residual.values()),
        "residual_power": max(power.residual.values()),
    } | accuracy(ours, exact, size)
    with tempfile.TemporaryDirectory(prefix="hspace-") as folder:
        write_untrained(Path(folder), QUICK_CELEBAHQ if quick else CELEBAHQ)
        figures |= celebahq(Path(folder), repeats=1 if quick else 3)
        figures |= peaks(Path(folder), (K, 1) if quick else (K, 2, 1))
    targets = {name: target for name, target in TARGETS.items() if name in figures}
    return verdict("jacobian", {name: float(f"{value:.6g}") for name, value in figures.items()}, targets)


# The bundled model


def bundled(size: Size) -> tuple[Way, Way, Way, tuple[Tensor, Tensor] | None]:
    model = pretrained.find(str(portraits.MODEL))
    denoiser, process = model.load().denoiser, ReverseProcess(model.ddim(), size.T, 1.0)
    denoiser.unet.requires_grad_(False)
    ours, alg1, power = Way(), Way(), Way()
    exact = None
    for step, x_t in process.states(denoiser, NoiseStreams(0, [0], model.x_shape)):
        timestep = process.timesteps[step]
        cap = size.patience if step == size.patient else size.cap
        start = ours.found[step - 1][1] if step else None
        at = (denoiser, x_t, timestep, start)
        ours.take(step, partial(split, *at))
        if step in size.compared:
            power.take(step, partial(power_iteration, *at, cap))
            alg1.take(step, partial(split, *at, "subspace", size.cap))
        if step == size.exact:
            exact = exact_svd(denoiser, x_t, timestep)
        print(f"step {step}: {ours.seconds[step]:.1f} s, {ours.products[step]} products", flush=True)
    return ours, alg1, power, exact


def split(
    denoiser: Denoiser,
    x_t: Tensor,
    timestep: int,
    start: Tensor | None,
    method: Method = "krylov",
    iterations: int = 50,
) -> Found:
    """Ours, everything counted: the encoder's one pass, too. Alg. 1 makes all its iterations."""
    with denoiser.decoder(x_t, timestep) as (decoder, h):
        first = None if start is None else start.view(1, -1, *h.shape[1:])
        tolerance = TOLERANCE if method == "krylov" else 0.0
        found: Subspace = jacobian_subspace(
            decoder, h, K, method=method, start=first, tolerance=tolerance, iterations=iterations
        )
    return Found(found.S[0], found.Vt[0].flatten(1), found.products, float(found.residuals.max()))


def power_iteration(denoiser: Denoiser, x_t: Tensor, timestep: int, start: Tensor | None, cap: int) -> Found:
    """One vector at a time; J v and J^T u by a pass of the whole U-Net each."""
    products = whole(denoiser, x_t, timestep)
    V: list[Tensor] = []
    S: list[float] = []
    residuals, count = [], 0
    for j in range(K):
        others = torch.stack(V) if V else torch.zeros(0, products.D)
        v = torch.randn(products.D) if start is None else start[j]
        for _ in range(cap):
            v = v - others.mT @ (others @ v)
            v = v / v.norm()
            u = products.J(v)
            s = float(u.norm())
            w = products.JT(u)
            count += 1
            largest = S[0] if S else s
            residual = float((w - s * s * v).norm()) / s / largest
            if residual <= TOLERANCE:
                break
            before, v = v, w
        V.append(before if residual > TOLERANCE else v)
        S.append(s)
        residuals.append(residual)
    return Found(torch.tensor(S), torch.stack(V), count, max(residuals))


@dataclass(frozen=True)
class Products:
    """J of the whole U-Net, by h."""

    D: int
    J: Callable[[Tensor], Tensor]  # (D,) -> (E,)
    JT: Callable[[Tensor], Tensor]  # (E,) -> (D,)


def whole(denoiser: Denoiser, x_t: Tensor, timestep: int) -> Products:
    with torch.no_grad():
        output, h = denoiser(x_t, timestep)
    f = lambda h: denoiser(x_t, timestep, lambda _: h)[0]  # noqa: E731

    def J(v: Tensor) -> Tensor:
        with plain():
            return jvp(f, (h,), (v.view_as(h),))[1].flatten()

    def JT(u: Tensor) -> Tensor:
        with plain():
            return vjp(f, h)[1](u.view_as(output))[0].flatten()

    return Products(h.numel(), J, JT)


@contextmanager
def plain() -> Iterator[None]:
    """Attention unfused, which has a forward mode, and rules for many vectors at once."""
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        yield


def exact_svd(denoiser: Denoiser, x_t: Tensor, timestep: int) -> tuple[Tensor, Tensor]:
    """All singular values and right singular vectors, of the whole matrix: S (D,), V (D, D), float64."""
    with denoiser.decoder(x_t, timestep) as (decoder, h), plain():
        output, pull = vjp(decoder, h)  # type: ignore[misc]
        units = torch.eye(output.numel()).view(-1, *output.shape)
        J = torch.func.vmap(lambda u: pull(u)[0], chunk_size=64)(units).flatten(1).double()
    squares, vectors = torch.linalg.eigh(J.mT @ J)
    return squares.clamp(min=0).sqrt().flip(0), vectors.flip(1).mT


def accuracy(ours: Way, exact: tuple[Tensor, Tensor] | None, size: Size) -> dict[str, float]:
    if exact is None or size.exact is None:
        return {}
    S, V = exact
    found_S, found_V = ours.found[size.exact]
    gaps = torch.cat([torch.tensor([1.0]), (S[:K] - S[1 : K + 1]) / S[0]])
    apart = torch.minimum(gaps[:-1], gaps[1:]) > APART
    cosines = (found_V.double() * V[:K]).sum(dim=1).abs()
    return {
        "largest_error_of_S": float(((found_S.double() - S[:K]).abs() / S[:K]).max()),
        "smallest_cosine": float(cosines[apart].min()),
        "vectors_apart": float(apart.sum()),
    }


def mean_ratio(over: dict[int, int], under: dict[int, int], steps: tuple[int, ...]) -> float:
    return sum(over[step] for step in steps) / sum(under[step] for step in steps)


def show(ours: Way, alg1: Way, power: Way, size: Size) -> None:
    table = Table("step", "method", "seconds", "products", "ms a product", "largest residual", box=None)
    for step in size.compared:
        for name, way in (("krylov", ours), ("subspace iteration", alg1), ("power iteration", power)):
            seconds, products = way.seconds[step], way.products[step]
            said = f"{seconds:.2f}", str(products), f"{1000 * seconds / products:.1f}", f"{way.residual[step]:.1e}"
            table.add_row(str(step), name, *said)
    Console(width=110).print(table)


# The configuration of celebahq-256


def celebahq(folder: Path, repeats: int) -> dict[str, float]:
    """A product, J v and J^T u, of each: k at once by the decoder, and one by the whole U-Net."""
    model = pretrained.find(str(folder))
    denoiser = model.load().denoiser
    denoiser.unet.requires_grad_(False)
    x_t = NoiseStreams(0, [0], model.x_shape).x_T()
    products = whole(denoiser, x_t, 500)
    times: dict[str, list[float]] = {"ours": [], "power": []}
    for _ in range(repeats):
        began = time.perf_counter()
        one_iteration(denoiser, x_t, 500, K)
        times["ours"].append((time.perf_counter() - began) / K)
        began = time.perf_counter()
        products.JT(products.J(torch.randn(products.D)))
        times["power"].append(time.perf_counter() - began)
    ratio = median(theirs / mine for mine, theirs in zip(times["ours"], times["power"], strict=True))
    return {f"celebahq_seconds_a_product_{name}": median(each) for name, each in times.items()} | {
        "celebahq_speedup_of_a_product": ratio
    }


def one_iteration(denoiser: Denoiser, x_t: Tensor, timestep: int, block: int) -> None:
    with denoiser.decoder(x_t, timestep) as (decoder, h):
        jacobian_subspace(decoder, h, K, method="subspace", block=block, iterations=1)


def peaks(folder: Path, blocks: tuple[int, ...]) -> dict[str, float]:
    """Gigabytes above the loaded model."""
    found = {}
    for block in blocks:
        with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
            found[f"celebahq_gb_block_{block}"] = fresh.submit(peak_of, folder, block).result() / 1e9
    return found


def peak_of(folder: Path, block: int) -> int:
    model = pretrained.find(str(folder))
    denoiser = model.load().denoiser
    denoiser.unet.requires_grad_(False)
    x_t = NoiseStreams(0, [0], model.x_shape).x_T()
    forget_peak()
    before = memory("VmRSS")
    one_iteration(denoiser, x_t, 500, block)
    return memory("VmHWM") - before


if __name__ == "__main__":
    raise SystemExit(main())
