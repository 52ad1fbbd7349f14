import pytest
import torch

from pipeline.domains.digits import measures
from pipeline.domains.digits.card import rgb
from pipeline.domains.digits.data import NONE, SHARES, SIZE, Variation, digits, draw, vary


def upscale(originals: torch.Tensor) -> torch.Tensor:
    """As they are, at the model's size."""
    return vary(originals, NONE, torch.Generator())


def test_every_digit_is_in_one_part():
    from sklearn.datasets import load_digits

    parts = torch.cat([digits(part)[0] for part in SHARES]).flatten(1) * 16
    everything = torch.from_numpy(load_digits().data).float()
    assert parts.sum(dim=0).equal(everything.sum(dim=0))
    assert sorted(map(tuple, parts.tolist())) == sorted(map(tuple, everything.tolist()))


@pytest.mark.parametrize("part", SHARES)
def test_a_part_has_all_ten_and_is_always_the_same(part):
    images, classes = digits(part)
    assert images.shape == (SHARES[part], 1, 8, 8) and images.min() == 0 and images.max() == 1
    assert classes.bincount().min() > 0.07 * len(classes)
    assert digits(part)[0].equal(images)


def test_an_upscaled_digit_lies_where_the_original_lies():
    original = digits("held-out")[0][:50]
    back = torch.nn.functional.interpolate(upscale(original), size=10, mode="area")[:, :, 1:-1, 1:-1]

    def likeness(right: int, down: int) -> float:
        moved = back.roll((down, right), dims=(2, 3))
        return torch.corrcoef(torch.stack([original.flatten(), moved.flatten()]))[0, 1].item()

    assert upscale(original).shape == (50, 1, SIZE, SIZE)
    assert likeness(0, 0) > 0.9
    assert all(likeness(*move) < likeness(0, 0) - 0.05 for move in ((1, 0), (-1, 0), (0, 1), (0, -1)))


def test_drawn_digits_are_shown_in_turn_each_time_differently():
    images, classes = draw("judge", 1300, seed=5)
    assert images.dtype == torch.uint8 and images.shape == (1300, 1, SIZE, SIZE)
    assert classes[:600].equal(classes[600:1200]) and classes[:100].equal(classes[1200:])
    assert not images[0].equal(images[600])
    assert draw("judge", 1300, seed=5)[0].equal(images) and not draw("judge", 1300, seed=6)[0].equal(images)


def test_not_varied_is_upscaled():
    images, _ = draw("judge", 4, seed=5, variation=NONE)
    assert images.equal((upscale(digits("judge")[0][:4]) * 255).round().to(torch.uint8))


@pytest.mark.parametrize(
    ("variation", "measured"),
    [(Variation(0.25, 0, 0, 0), "slant"), (Variation(0, 0, 0, 0.12), "stroke_width")],
    ids=["slant", "thickness"],
)
def test_each_variation_varies_what_it_is_for(variation, measured):
    """Half a range on both sides, uniformly, has a deviation of its length / sqrt(12)."""
    one = digits("judge")[0][:1].expand(200, -1, -1, -1)
    varied = vary(one, variation, torch.Generator().manual_seed(0))
    values = getattr(measures, measured)(rgb((varied * 255).round().to(torch.uint8)))
    still = getattr(measures, measured)(rgb((upscale(one[:1]) * 255).round().to(torch.uint8)))[0]
    assert values.min() < still < values.max()
    assert values.std() == pytest.approx(14 * 2 / 12**0.5, rel=0.2) if measured == "slant" else values.std() > 0.3
