"""Swaps beside runs of the reverse process that have the same edits, and as many passes as there must be."""

from collections.abc import Sequence

import pytest
import torch
from diffusers import DDIMScheduler, UNet2DModel
from torch import Tensor, nn

from pipeline.hspace.denoiser import Denoiser
from pipeline.hspace.edits import Swap
from pipeline.hspace.noise import NoiseStreams
from pipeline.hspace.reverse_process import ReverseProcess
from pipeline.hspace.swaps import partners, rows_passed, swapped, thirds

IDS = (7, 3, 5, 4)
STEPS = 5
SPANS = (range(STEPS), *thirds(STEPS))


def streams(ids: Sequence[int]) -> NoiseStreams:
    return NoiseStreams(0, ids, (3, 16, 16))


def process(eta: float = 1.0) -> ReverseProcess:
    return ReverseProcess(DDIMScheduler(beta_schedule="squaredcos_cap_v2", clip_sample=False), STEPS, eta)


def expected(denoiser: Denoiser, span: range, eta: float) -> Tensor:
    """Samples beside themselves: the first four as they are, the others with the h of the first four's partners."""
    rows = [0, 1, 2, 3, 1, 0, 3, 2]

    def edit(step: int, h: Tensor) -> Tensor:
        return Swap(rows)(step, h) if step in span else h

    edits = []
    for point in denoiser.points:
        at = lambda step, h: edit(step, h)  # noqa: E731
        at.at = point  # type: ignore[attr-defined]
        edits.append(at)
    return process(eta).run(denoiser, streams(IDS * 2), edits)


def close(found: Tensor, truth: Tensor) -> bool:
    return bool(((found - truth).abs().max() / truth.abs().max()) < 1e-4)


@pytest.mark.parametrize(
    ("point", "eta"),
    [
        ("mid_block", 0.0),
        ("mid_block", 1.0),
        ("mid_block:input", 1.0),
        ("middle", 1.0),
        ("down_blocks.1", 1.0),
        ("mid_block+up_blocks.1.resnets.0", 1.0),
    ],
)
def test_every_span_is_the_run_that_has_its_edit(tiny_unet, point, eta):
    denoiser = Denoiser(tiny_unet, point)
    own, edited = swapped(process(eta), denoiser, streams(IDS), SPANS)
    runs = [expected(denoiser, span, eta) for span in SPANS]
    assert close(own, runs[0][:4])
    for found, run in zip(edited, runs, strict=True):
        assert close(found, run[4:])
        assert not close(found, own)


def test_at_several_points_more_is_swapped_than_at_one(tiny_unet):
    one, both = (
        swapped(process(), Denoiser(tiny_unet, point), streams(IDS), SPANS[:1])[1][0]
        for point in ("mid_block", "mid_block+up_blocks.0")
    )
    assert not close(one, both)


@pytest.mark.parametrize("spans", [SPANS, SPANS[:1], SPANS[1:], (range(1, 3), range(1, 4)), (range(2, 5), range(2, 3))])
def test_no_step_is_computed_twice(tiny_unet, spans):
    passes = []
    handle = tiny_unet.register_forward_pre_hook(lambda module, args: passes.append(len(args[0])))
    denoiser = Denoiser(tiny_unet)
    _, edited = swapped(process(), denoiser, streams(IDS), spans)
    handle.remove()
    assert sum(passes) == len(IDS) * rows_passed(STEPS, spans) and set(passes) == {len(IDS)}
    for found, span in zip(edited, spans, strict=True):
        assert close(found, expected(denoiser, span, 1.0)[4:])


def test_thirds_at_sixteen_steps_take_what_they_must():
    """All steps and the first third share the first third; the others begin late: 16 + 16 + 11 + 11 + 6."""
    assert rows_passed(16, (range(16), *thirds(16))) == 60


def test_thirds_cover_all_steps_and_few_steps_have_none():
    assert [len(each) for each in thirds(16)] == [5, 5, 6]
    for steps in range(3, 20):
        assert [step for third in thirds(steps) for step in third] == list(range(steps))
        assert max(map(len, thirds(steps))) - min(map(len, thirds(steps))) <= 1
    assert thirds(1) == thirds(2) == ()


def test_pairs_are_next_to_each_other():
    assert partners(6).tolist() == [1, 0, 3, 2, 5, 4]


class Doubled(nn.Module):
    def forward(self, h: Tensor) -> Tensor:
        return h * 2


class DoubledInPlace(nn.Module):
    """Writes into what it is given, as a network may."""

    def forward(self, h: Tensor) -> Tensor:
        return h.mul_(2)


def test_a_network_that_writes_into_h_writes_into_nobody_elses(tiny_unet: UNet2DModel):
    conv_in, found = tiny_unet.conv_in, []
    for after in (Doubled(), DoubledInPlace()):
        tiny_unet.conv_in = nn.Sequential(conv_in, after)
        own, edited = swapped(process(), Denoiser(tiny_unet, "conv_in.0"), streams(IDS), SPANS)
        found.append(torch.stack([own, *edited]))
    assert torch.equal(*found) and not close(found[0][1], found[0][0])
