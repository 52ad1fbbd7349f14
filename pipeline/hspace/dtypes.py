"""In which dtype a U-Net runs: weights that are kept as autocast would round them, and which of two dtypes is faster here.

A CPU with avx512_bf16 or amx_bf16, and a GPU with tensor cores, multiply matrices of bfloat16 several times as fast as those of
float32; other machines do it slower. No list of machines says which are which, so both are timed: by turns, on the same samples.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pipeline.hspace.denoiser import Denoiser

FLOAT32, BFLOAT16 = "float32", "bfloat16"
FASTER = 1.2  # times as fast, from which bfloat16 is taken: below that, what other work does to a timing may decide, for little
ROUNDS = 5  # timed passes in each dtype, after one that is not
SECONDS = 20.0  # that these may take together, about; of a slower network fewer samples are passed than a batch has

Clock = Callable[[], float]  # seconds, once all that was begun is done


@dataclass(frozen=True)
class Timed:
    """What passes in one dtype took, and what that changed. Where it does not run, `fault` says why and the rest is None."""

    dtype: str
    seconds: float | None  # of one sample in a pass, the median
    error: float | None  # of h: root mean square of what differs from float32, over that of h
    fault: str | None = None


class Choice(NamedTuple):
    """What was timed, on how many samples at a time, and what is chosen by that."""

    timed: tuple[Timed, ...]  # float32 first
    samples: int
    dtype: str

    @property
    def faster(self) -> float | None:
        """How many times as fast bfloat16 is; None where it does not run."""
        return faster(*self.timed)


def rounded(network: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Keep the matrices of a network's convolutions and linear layers in the dtype that autocast runs them in; the same network.

    Autocast rounds them to it in every pass, which costs up to a quarter of one; what comes out is the same to the bit. Biases are
    few and stay as they are: some layers add them outside autocast. So does the first of all weights: diffusers takes its dtype for
    the network's, and rounds embeddings to that.
    """
    first = next(network.parameters(), None)
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d) and module.weight is not first:
            module.weight.data = module.weight.data.to(dtype)
    return network


def clock() -> float:
    """Seconds: on a GPU once what was begun is done; of one thread of a CPU those that it has worked, whatever runs beside it."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.thread_time() if torch.get_num_threads() == 1 else time.perf_counter()


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 by itself. Every CPU does so somehow: a timing says how fast."""
    return device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)


def faster(exact: Timed, short: Timed) -> float | None:
    """How many times as fast the second is; None where it does not run."""
    return exact.seconds / short.seconds if exact.seconds and short.seconds else None


def chosen(exact: Timed, short: Timed) -> str:
    """The dtype to run in: the second where it runs and is `FASTER`, and the first otherwise."""
    return short.dtype if (faster(exact, short) or 0.0) >= FASTER else exact.dtype


@torch.inference_mode()
def compared(
    load: Callable[[str], Denoiser], x_t: Tensor, timestep: int, clock: Clock = clock, seconds: float = SECONDS
) -> Choice:
    """Time passes of x_t (B, channels, height, width) in float32 and bfloat16 by turns, and choose.

    load: the denoiser of these samples in a dtype. Where B of them would take more than these seconds, the first few are
    passed. What bfloat16 raises is no error but its fault; so are numbers that are not finite.
    """
    denoisers = {FLOAT32: load(FLOAT32)}
    fault = None if has_bfloat16(denoisers[FLOAT32].device) else "this GPU does not compute in it"
    if fault is None:
        try:
            denoisers[BFLOAT16] = load(BFLOAT16)
            _pass(denoisers[BFLOAT16], x_t[:1], timestep, clock)
        except (RuntimeError, NotImplementedError) as refused:
            fault = " ".join([type(refused).__name__, *str(refused).strip().splitlines()[:1]])
            denoisers.pop(BFLOAT16, None)
    alone = sum(_again(each, x_t[:1], timestep, clock) for each in denoisers.values())  # seconds of one sample in each
    n = max(1, min(len(x_t), int(seconds / ((ROUNDS + 1) * alone)))) if alone else len(x_t)
    taken, h = _in_turns(denoisers, x_t[:n], timestep, clock)
    exact = Timed(FLOAT32, median(taken[FLOAT32]) / n, 0.0)
    if BFLOAT16 not in denoisers:
        short = Timed(BFLOAT16, None, None, fault)
    elif not h[BFLOAT16].isfinite().all():
        short = Timed(BFLOAT16, None, None, "it gives numbers that are not finite")
    else:
        differs = float((h[BFLOAT16] - h[FLOAT32]).norm() / h[FLOAT32].norm())
        short = Timed(BFLOAT16, median(taken[BFLOAT16]) / n, differs)
    return Choice((exact, short), n, chosen(exact, short))


def _again(denoiser: Denoiser, x_t: Tensor, timestep: int, clock: Clock) -> float:
    """Seconds of a pass that is not the first."""
    _pass(denoiser, x_t, timestep, clock)
    return _pass(denoiser, x_t, timestep, clock)[0]


def _in_turns(
    denoisers: Mapping[str, Denoiser], x_t: Tensor, timestep: int, clock: Clock
) -> tuple[dict[str, list[float]], dict[str, Tensor]]:
    """Seconds of each pass, and h (B, ...) in float32, by dtype. Round 0 is not counted; every other one goes backwards."""
    taken: dict[str, list[float]] = {name: [] for name in denoisers}
    h: dict[str, Tensor] = {}
    for i in range(ROUNDS + 1):
        for name in denoisers if i % 2 else reversed(list(denoisers)):
            seconds, seen = _pass(denoisers[name], x_t, timestep, clock)
            taken[name] += [seconds] if i else []
            h[name] = seen.float()
    return taken, h


def _pass(denoiser: Denoiser, x_t: Tensor, timestep: int, clock: Clock) -> tuple[float, Tensor]:
    """One pass of the first samples: its seconds, and h, which is NaN where the output is not finite."""
    if denoiser.labels is not None:
        denoiser = denoiser.of(denoiser.labels[: len(x_t)])
    started = clock()
    output, h = denoiser(x_t, timestep)
    seconds = clock() - started
    return seconds, h if output.isfinite().all() else h * torch.nan
