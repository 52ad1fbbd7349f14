"""Weights that are kept as autocast rounds them give the same bits; of two dtypes a planted clock says which is chosen."""

from copy import deepcopy
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor, nn

from pipeline.hspace import dtypes
from pipeline.hspace.denoiser import Denoiser
from pipeline.hspace.dtypes import BFLOAT16, FLOAT32, ROUNDS, Timed, chosen, compared, rounded
from tests.pipeline.planted_models import conditional_unet, unet

NETWORKS = {
    "attention": lambda: unet(sample_size=16),
    "classes": lambda: unet(sample_size=16, num_class_embeds=3),
    "noise levels": lambda: unet(sample_size=16, time_embedding_type="fourier"),
    "scale and shift": lambda: unet(sample_size=16, resnet_time_scale_shift="scale_shift"),
    "cross-attention": lambda: conditional_unet(sample_size=16, cross_attention_dim=8),
}
X = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_what_autocast_would_round_in_every_pass_is_rounded_once_to_the_same_bits(network, dtype):
    of_old = network().eval().requires_grad_(False).to(memory_format=torch.channels_last)
    kept = rounded(deepcopy(of_old), dtype)
    labels = torch.tensor([1]) if of_old.config.get("num_class_embeds") else None
    with torch.inference_mode():
        before, after = (Denoiser(each, dtype=dtype, labels=labels)(X, 500) for each in (of_old, kept))
    assert torch.equal(before[0], after[0]) and torch.equal(before[1], after[1]) and before[1].dtype == after[1].dtype
    kinds = {
        name.rpartition(".")[2]: weight.dtype for name, weight in kept.mid_block.resnets[0].conv1.named_parameters()
    }
    assert kinds == {"weight": dtype, "bias": torch.float32}
    assert kept.mid_block.resnets[0].norm1.weight.dtype == torch.float32


# Which is chosen


@dataclass
class Clock:
    """Stands where passes leave it."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Planted(Denoiser):
    """Takes so many seconds a sample: at each pass the next, and the last for good."""

    unet: nn.Module = field(default_factory=lambda: nn.Linear(1, 1))
    clock: Clock = field(default_factory=Clock)
    seconds: tuple[float, ...] = (1.0,)
    off: float = 0.0  # of h
    passed: list[int] = field(default_factory=list)  # samples, pass by pass

    def __call__(self, x_t: Tensor, timestep: int, edit: object = None) -> tuple[Tensor, Tensor]:
        assert self.labels is None or len(self.labels) == len(x_t)
        self.clock.now += len(x_t) * self.seconds[min(len(self.passed), len(self.seconds) - 1)]
        self.passed.append(len(x_t))
        return x_t * (1 + self.off), (x_t + 1) * (1 + self.off)


def timed(exact: tuple[float, ...], short: tuple[float, ...], **other) -> tuple[dtypes.Choice, dict[str, Planted]]:
    clock = Clock()
    both = {
        FLOAT32: Planted(clock=clock, seconds=exact, labels=torch.arange(4)),
        BFLOAT16: Planted(clock=clock, seconds=short, labels=torch.arange(4), **other),
    }
    return compared(both.__getitem__, X, 500, clock), both


@pytest.mark.parametrize(
    ("short", "dtype"), [(0.05, BFLOAT16), (0.083, BFLOAT16), (0.084, FLOAT32), (0.1, FLOAT32), (0.4, FLOAT32)]
)
def test_bfloat16_is_taken_where_it_is_enough_faster(short, dtype):
    choice, both = timed((0.1,), (short,), off=0.01)
    assert choice.dtype == dtype and choice.samples == 4
    assert choice.faster == pytest.approx(0.1 / short)
    exact, other = choice.timed
    assert (exact.dtype, exact.seconds, exact.error) == (FLOAT32, pytest.approx(0.1), 0.0)
    assert (other.dtype, other.seconds, other.error) == (BFLOAT16, pytest.approx(short), pytest.approx(0.01))
    assert [each.passed[-ROUNDS - 1 :] for each in both.values()] == [[4] * (ROUNDS + 1)] * 2


def test_a_pass_that_other_work_holds_up_and_the_first_one_decide_nothing():
    slow_first = (9.0, 0.1, 0.1, 5.0, 0.1, 3.0, 0.1)  # compiles first; two passes are disturbed
    choice, _ = timed((0.2,), slow_first)
    assert choice.dtype == BFLOAT16 and choice.faster == pytest.approx(2)


@pytest.mark.parametrize(("seconds", "samples"), [(0.01, 4), (0.8, 2), (5.0, 1), (500.0, 1)])
def test_of_a_slow_network_fewer_samples_are_passed(seconds, samples):
    choice, both = timed((seconds,), (seconds / 2,))
    assert choice.samples == samples and choice.dtype == BFLOAT16
    assert sum(sum(each.passed) * each.seconds[0] for each in both.values()) < dtypes.SECONDS + 16 * seconds


def test_what_does_not_run_is_not_taken_and_says_why():
    def load(dtype: str) -> Denoiser:
        if dtype == BFLOAT16:
            raise RuntimeError("not implemented for 'BFloat16'\nand more")
        return Planted()

    choice = compared(load, X, 500, Clock())
    assert choice.dtype == FLOAT32 and choice.faster is None
    assert choice.timed[1] == Timed(BFLOAT16, None, None, "RuntimeError not implemented for 'BFloat16'")


def test_a_gpu_without_it_is_not_asked(monkeypatch):
    monkeypatch.setattr(dtypes, "has_bfloat16", lambda device: False)
    choice, both = timed((0.1,), (0.01,))
    assert choice.dtype == FLOAT32 and "GPU" in str(choice.timed[1].fault) and not both[BFLOAT16].passed


def test_numbers_that_are_not_finite_are_never_worth_it():
    choice, _ = timed((0.1,), (0.01,), off=float("nan"))
    assert choice.dtype == FLOAT32 and choice.timed[1].fault == "it gives numbers that are not finite"


def test_what_cannot_run_in_float32_is_an_error():
    def load(dtype: str) -> Denoiser:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        compared(load, X, 500, Clock())


def test_the_rule_needs_both_times():
    assert chosen(Timed(FLOAT32, 1.0, 0.0), Timed(BFLOAT16, None, None, "why")) == FLOAT32
    assert chosen(Timed(FLOAT32, 1.2, 0.0), Timed(BFLOAT16, 1.0, 0.0)) == BFLOAT16
