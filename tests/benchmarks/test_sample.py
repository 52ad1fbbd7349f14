"""What the sampling benchmark computes; its timings are its own."""

import pytest
import torch

from benchmarks.sample import CELEBAHQ, error, in_turns, ratio


def test_a_ratio_is_taken_within_each_round():
    seconds = {"slow": [2.0, 20.0, 2.2], "fast": [1.0, 10.0, 1.0]}  # a machine that is busy in the second round
    assert ratio(seconds, "slow", "fast") == 2


def test_contenders_take_turns_and_the_warm_up_is_not_counted():
    turns = []
    contenders = {"a": lambda: turns.append("a") or 1, "b": lambda: turns.append("b") or 2}
    seconds = in_turns(contenders, rounds=2)
    assert "".join(turns) == "ba" + "ab" + "ba"
    assert [len(each) for each in seconds.values()] == [2, 2]


def test_error_is_relative_and_the_cosine_ignores_scale():
    h = torch.randn(2, 3, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    assert error(h, h) == pytest.approx((0, 1))
    assert error(1.1 * h, h) == pytest.approx((0.1, 1), rel=1e-5)


def test_the_configuration_is_that_of_celebahq_256():
    from diffusers import UNet2DModel

    with torch.device("meta"):
        unet = UNet2DModel(**CELEBAHQ)
    assert sum(weight.numel() for weight in unet.parameters()) == 113_673_219
