"""Swaps of h: samples in pairs, each going on with the h that the other one has unedited, in all steps or in some.

Samples 0 and 1 are a pair, 2 and 3, and so on. What crosses over is h at the capture points of the denoiser, whatever it is there,
and nothing else: x_t, the noise and what the network knows besides stay each sample's own.

Shapes: m samples, an even number; T steps, 0 the noisiest.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from pipeline.hspace.capture import Change
from pipeline.hspace.denoiser import Denoiser
from pipeline.hspace.noise import Noise
from pipeline.hspace.reverse_process import ReverseProcess

THIRDS = 3


def partners(n: int) -> Tensor:
    """The other sample of each sample's pair: (n,)."""
    return torch.arange(n) ^ 1


def thirds(steps: int) -> tuple[range, ...]:
    """The thirds of T steps, which differ by one step at most; none of fewer than three steps."""
    if steps < THIRDS:
        return ()
    return tuple(range(k * steps // THIRDS, (k + 1) * steps // THIRDS) for k in range(THIRDS))


@torch.inference_mode()
def swapped(
    process: ReverseProcess, denoiser: Denoiser, noise: Noise, spans: Sequence[range]
) -> tuple[Tensor, list[Tensor]]:
    """Return x_0 (m, ...) of samples as they are, and of the same ones with h swapped in each of some distinct spans of steps.

    A run leaves the unedited one when its span begins, and one whose span ends before that of another that began with it leaves
    that one then, so that no step is computed twice. A pass is of m rows, and of h one step is held.
    """
    plain = noise.x_T().to(denoiser.device)
    branches = [_branch(span, spans) for span in spans]
    runs: dict[int, Tensor] = {}  # x_t of those that have begun
    for step, level in enumerate(process.levels):
        for i, (begins, from_) in enumerate(branches):
            if step == begins:
                runs[i] = plain if from_ is None else runs[from_]
        sigma_z = noise.sigma_z(step, level.noise)
        theirs: dict[str, Tensor] = {}
        output, _ = denoiser(plain, level.timestep, {each: partial(_note, theirs, each) for each in denoiser.points})
        plain = process.previous(step, plain, output, sigma_z)
        for i, x_t in runs.items():
            output, _ = denoiser(x_t, level.timestep, _given(theirs) if step in spans[i] else None)
            runs[i] = process.previous(step, x_t, output, sigma_z)
    return plain, [runs[i] for i in range(len(spans))]


def rows_passed(steps: int, spans: Sequence[range]) -> int:
    """How many passes of the U-Net `swapped` takes for a sample."""
    return steps + sum(steps - _branch(span, spans)[0] for span in spans)


def _branch(span: range, spans: Sequence[range]) -> tuple[int, int | None]:
    """The step at which the run of a span begins, and which other run it leaves then; None is the unedited one."""
    longest = max((each for each in spans if each.start == span.start), key=len)
    return (span.start, None) if span == longest else (span.stop, spans.index(longest))


def _note(theirs: dict[str, Tensor], point: str, h: Tensor) -> Tensor:
    """h as it is, of which each sample's partner's is kept."""
    theirs[point] = h[partners(len(h)).to(h.device)]
    return h


def _given(theirs: Mapping[str, Tensor]) -> dict[str, Change]:
    """Edits that put the partner's h in the place of a sample's own; in copies, since a network may write into what it is given."""
    return {point: lambda _, h=h: h.clone() for point, h in theirs.items()}  # type: ignore[misc]
