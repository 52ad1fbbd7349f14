"""What is added is the same wherever a timestep lies and however it is passed; what can be made ready once is."""

import pytest
import torch

from pipeline.catalog.editing_additions import Addition

MADE_AT = torch.tensor([900.0, 600.0, 300.0])
VECTORS = torch.randn(2, 3, 4, 2, 2, generator=torch.Generator().manual_seed(0))  # (K, T, C, H, W)
H = torch.zeros(2, 4, 2, 2)


def addition(strengths: list[list[float]], **how) -> Addition:
    return Addition.of(VECTORS, torch.tensor(strengths), MADE_AT, ("a", "b"), **how)


def summed(step: int, a: float, b: float) -> torch.Tensor:
    return a * VECTORS[0, step] + b * VECTORS[1, step]


def close(found: torch.Tensor, *expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, torch.stack(expected).expand_as(found))


def test_directions_of_one_strength_for_all_samples_are_one():
    both = addition([[2.0], [-1.0]])
    assert both.is_one_for_all and both.vectors.shape == (1, 3, 4, 2, 2)
    close(both.to_all(H, 590), summed(1, 2.0, -1.0))
    assert not addition([[2.0, 1.0], [-1.0, 0.0]]).is_one_for_all


@pytest.mark.parametrize("t, step", [(999, 0), (750, 0), (749, 1), (451, 1), (0, 2)])
def test_the_nearest_timestep_is_the_same_as_a_number_and_as_a_tensor_of_many(t, step):
    """Of many, as on a GPU, the vector is chosen without a number."""
    one = addition([[1.0], [1.0]])
    for passed in (t, float(t), torch.tensor(t), torch.tensor([t]), torch.tensor([t, t])):
        close(one.to_all(H, passed), summed(step, 1.0, 1.0))
    each = addition([[1.0, 2.0], [0.5, 0.0]])
    for passed in (t, torch.tensor(t), torch.tensor([t, t])):
        close(each.to_each(H, passed, each.strengths), summed(step, 1.0, 0.5), summed(step, 2.0, 0.0))


def test_outside_the_interval_nothing_is_added_and_h_is_what_it_was():
    one = addition([[1.0], [1.0]], interval=(300.0, 600.0))
    assert one.to_all(H, 601) is H and one.to_all(H, 299.5) is H
    close(one.to_all(H, 600), summed(1, 1.0, 1.0))
    nothing = torch.zeros(4, 2, 2)
    close(one.to_all(H, torch.tensor([601, 300])), nothing, summed(2, 1.0, 1.0))
    each = addition([[1.0, 1.0], [0.0, 0.0]], interval=(300.0, 600.0))
    close(each.to_each(H, torch.tensor([601, 300]), each.strengths), nothing, summed(2, 1.0, 0.0))


def test_vectors_follow_h_to_its_device_and_its_precision():
    """Planted on the device without memory: what is asked for there is there, the timestep included."""
    one = addition([[1.0], [1.0]])
    there = one.to_all(H.to("meta"), torch.zeros(1, device="meta"))
    assert there.device.type == "meta" and there.shape == H.shape
    half = one.to_all(H.half(), 590)
    assert half.dtype == torch.float16
    torch.testing.assert_close(half, summed(1, 1.0, 1.0).half().expand_as(half))


def test_vectors_are_made_ready_once_and_may_be_used_in_training_too():
    one = addition([[1.0], [1.0]])
    with torch.inference_mode():
        one.to_all(H, 590)
    ready, _ = one._as(H)
    assert one._as(H)[0] is ready and not ready.is_inference()
    h = H.clone().requires_grad_()
    one.to_all(h, 590).sum().backward()
    assert h.grad is not None
