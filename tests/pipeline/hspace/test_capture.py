"""Hooks on an unmodified model: read, edit, and always let go; edits; directions at other timesteps."""

import pytest
import torch
from diffusers import UNet2DConditionModel, UNet2DModel
from torch import nn

from pipeline.errors import UserError
from pipeline.hspace.capture import opened
from pipeline.hspace.denoiser import Denoiser
from pipeline.hspace.edits import Add, AddPerSample, at_timesteps, in_turn
from pipeline.hspace.first_pass import computed_once
from pipeline.hspace.points import h_shape
from tests.pipeline.planted_models import conditional_unet
from tests.pipeline.planted_models import unet as planted_unet

H = (16, 8, 8)
POINTS = ("after", "before", "middle")


@pytest.fixture
def unet(tiny_unet) -> UNet2DModel:
    return tiny_unet


@pytest.fixture(scope="module")
def scale_shift() -> UNet2DModel:
    """A U-Net whose time embedding scales and shifts what `norm2` leaves."""
    blocks = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2}
    return planted_unet(sample_size=16, resnet_time_scale_shift="scale_shift", **blocks).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def conditional() -> UNet2DConditionModel:
    return conditional_unet(sample_size=16, cross_attention_dim=8).eval().requires_grad_(False)


def images(n: int = 2, seed: int = 3) -> torch.Tensor:
    return torch.randn(n, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


# Capture points


def test_after_is_what_the_next_block_is_given(unet):
    given = []
    handle = unet.up_blocks[0].register_forward_pre_hook(
        lambda module, args, kwargs: given.append(kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]),
        with_kwargs=True,
    )
    offset = torch.randn(2, *H)
    _, h = Denoiser(unet)(images(), 5, lambda h: h + offset)
    handle.remove()
    torch.testing.assert_close(given[0], h + offset)


def test_before_is_what_the_mid_block_is_given(unet):
    given = []
    offset = torch.randn(2, *H)
    _, h = Denoiser(unet, "before")(images(), 5)
    with torch.inference_mode(), opened(unet, "before") as seen:
        seen.edits = {"mid_block:input": lambda h: h + offset}
        handle = unet.mid_block.resnets[0].register_forward_pre_hook(lambda module, args: given.append(args[0]))
        unet(images(), torch.tensor([5, 5]))
        handle.remove()
    torch.testing.assert_close(given[0], h + offset)


@pytest.mark.parametrize("kind", ["unet", "scale_shift"])
def test_middle_is_after_norm2_and_the_time_embedding(kind, request):
    """Written out from the last ResNet block's parts; where the embedding scales and shifts, it comes after norm2."""
    unet = request.getfixturevalue(kind)
    resnet, seen = unet.mid_block.resnets[-1], []
    handle = resnet.register_forward_pre_hook(lambda module, args: seen.append(args))
    _, h = Denoiser(unet, "middle")(images(), 5)
    handle.remove()
    x, temb = seen[0]
    temb = resnet.time_emb_proj(resnet.nonlinearity(temb))[:, :, None, None]
    inner = resnet.conv1(resnet.nonlinearity(resnet.norm1(x)))
    if kind == "scale_shift":
        scale, shift = temb.chunk(2, dim=1)
        expected = resnet.norm2(inner) * (1 + scale) + shift
    else:
        expected = resnet.norm2(inner + temb)
    torch.testing.assert_close(h, expected)


@pytest.mark.parametrize("kind", ["unet", "scale_shift", "conditional"])
@pytest.mark.parametrize("point", POINTS)
def test_an_edit_at_every_point_reaches_the_output_and_nothing_stays(kind, point, request):
    unet = request.getfixturevalue(kind)
    denoiser = Denoiser(unet, point)
    plain, h = denoiser(images(), 400)
    assert tuple(h.shape[1:]) == h_shape(unet, point)
    same, _ = denoiser(images(), 400, lambda h: h.clone())
    edited, unedited = denoiser(images(), 400, lambda h: h + 3 * torch.randn_like(h))
    assert torch.equal(same, plain) and torch.equal(unedited, h)
    assert (edited - plain).abs().max() > 1e-4
    assert torch.equal(denoiser(images(), 400)[0], plain)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in unet.modules())


@pytest.mark.parametrize("point", POINTS)
def test_hooks_are_removed_also_after_an_exception(unet, point):
    def stop(h: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        Denoiser(unet, point)(images(), 5, stop)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in unet.modules())


# The U-Net as a function of h


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("kind", ["unet", "scale_shift", "conditional"])
def test_the_decoder_is_the_unet_with_another_h(kind, point, request):
    denoiser = Denoiser(request.getfixturevalue(kind), point)
    output, h = denoiser(images(), 5)
    other = h + torch.randn(h.shape, generator=torch.Generator().manual_seed(8))
    edited, _ = denoiser(images(), 5, lambda h: other)
    with denoiser.decoder(images(), 5) as (decoder, own):
        assert torch.equal(own, h) and torch.equal(decoder(h), output)
        assert torch.equal(decoder(other), edited) and torch.equal(decoder(h), output)
    assert not torch.equal(edited, output)
    assert torch.equal(denoiser(images(seed=4), 5)[0], denoiser(images(seed=4), 5)[0])


@pytest.mark.parametrize("point", POINTS)
def test_what_comes_before_h_runs_once_however_often_the_decoder_does(unet, point):
    runs: dict[str, int] = {}
    inner = {"encoder": unet.down_blocks[0].resnets[0].conv1, "first resnet": unet.mid_block.resnets[0].conv1}
    inner |= {"last norm": unet.mid_block.resnets[-1].norm1, "decoder": unet.up_blocks[0].resnets[0].conv1}
    handles = []
    for name, module in inner.items():
        runs[name] = 0
        handles.append(module.register_forward_pre_hook(lambda *_, name=name: runs.update({name: runs[name] + 1})))
    with Denoiser(unet, point).decoder(images(), 5) as (decoder, h):
        for _ in range(3):
            decoder(h)
    for handle in handles:
        handle.remove()
    mid = {"after": 1, "before": 4, "middle": 1}[point]
    # At "middle", `norm1` itself answers with what it did once: its hooks run, its arithmetic does not.
    assert runs == {"encoder": 1, "first resnet": mid, "last norm": 4 if point != "after" else 1, "decoder": 4}


def test_the_unet_is_whole_again_also_after_an_exception(unet):
    denoiser = Denoiser(unet)
    before = denoiser(images(), 5)[0]
    with pytest.raises(ZeroDivisionError), denoiser.decoder(images(), 5):
        raise ZeroDivisionError
    assert not [module for module in unet.modules() if "forward" in vars(module)]
    assert torch.equal(denoiser(images(), 5)[0], before) and not torch.equal(denoiser(images(seed=4), 5)[0], before)


def test_a_module_with_a_forward_of_its_own_gets_it_back():
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    own = lambda x: x + 1  # noqa: E731
    network[0].forward = own
    with computed_once(network, "0"):
        zeros, ones = network(torch.zeros(2)), network(torch.ones(2))
        assert torch.equal(zeros, ones)  # what comes before the second module is that of the first pass
    assert network[0].forward is own and network[0](torch.ones(2)).tolist() == [2, 2]
    assert "forward" not in vars(network[1])


class TwiceOver(nn.Module):
    """A network that runs one module before the point and again after it."""

    def __init__(self):
        super().__init__()
        self.shared, self.point = nn.Linear(1, 1, bias=False), nn.Identity()
        self.shared.weight.data.fill_(2)

    def forward(self, x):
        return self.shared(self.point(self.shared(x)))


def test_a_module_that_runs_again_after_the_point_computes_again():
    network = TwiceOver()
    with computed_once(network, "point"), opened(network, "point") as seen:
        assert network(torch.ones(1)).item() == 4
        seen.edits = {"point": lambda h: h + 1}
        assert network(torch.ones(1)).item() == 6


def test_the_decoder_can_be_differentiated_and_knows_the_rows_apart(unet):
    with Denoiser(unet).decoder(images(), 5) as (decoder, h):
        v = torch.zeros_like(h)
        v[1] = torch.randn(h.shape[1:], generator=torch.Generator().manual_seed(9))
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            _, tangent = torch.func.jvp(decoder, (h,), (v,))
            difference = (decoder(h + 0.01 * v) - decoder(h - 0.01 * v)) / 0.02
    assert not tangent[0].any() and tangent[1].any()
    torch.testing.assert_close(tangent, difference, rtol=1e-2, atol=1e-3)


def test_a_condition_changes_what_a_conditional_model_says(conditional):
    empty, _ = Denoiser(conditional)(images(), 5)
    zeros, _ = Denoiser(conditional, condition=torch.zeros(1, 1, 8))(images(), 5)
    given, _ = Denoiser(conditional, condition=torch.randn(1, 4, 8))(images(), 5)
    assert torch.equal(empty, zeros) and not torch.equal(empty, given)


def test_a_model_without_a_bottleneck_is_refused():
    with pytest.raises(UserError, match="no mid block.*\n.*another capture point"), opened(nn.Linear(2, 2)):
        pass


def test_an_unknown_point_is_refused(unet):
    with pytest.raises(UserError, match="has no module inside: at its top it has conv_in, .*mid_block"):
        Denoiser(unet, "inside")(images(), 5)


# Edits


def test_a_direction_of_another_model_is_refused():
    with pytest.raises(UserError, match=r"\(12, 8, 8\).*\(16, 8, 8\)"):
        Add(torch.zeros(4, 12, 8, 8))(0, torch.zeros(1, *H))


def test_a_direction_with_too_few_steps_is_refused():
    with pytest.raises(UserError, match=r"4 steps.*step 5\.\nBring it.*at_timesteps"):
        Add(torch.zeros(4, *H))(4, torch.zeros(1, *H))


def test_each_sample_gets_a_direction_and_a_strength_of_its_own():
    v = torch.randn(3, 5, *H, generator=torch.Generator().manual_seed(0))
    h = torch.randn(4, *H, generator=torch.Generator().manual_seed(1))
    which, gamma = torch.tensor([2, 0, 2, 1]), torch.tensor([1.0, -0.5, 0.0, 3.0])
    edited = AddPerSample(v, which, gamma)(3, h)
    for row in range(4):
        alone = Add(v[which[row]], float(gamma[row]))(3, h[row : row + 1])
        torch.testing.assert_close(edited[row : row + 1], alone)


def test_directions_for_each_sample_must_fit_too():
    v, one = torch.zeros(2, 5, *H), torch.zeros(1, dtype=torch.int64)
    with pytest.raises(UserError, match="cannot be added at step 5 to h"):
        AddPerSample(v, one, torch.ones(1))(5, torch.zeros(1, *H))
    with pytest.raises(UserError, match="to h of shape"):
        AddPerSample(v, one, torch.ones(1))(0, torch.zeros(1, 16, 4, 4))


def test_edits_come_in_turn():
    edit = in_turn([lambda step, h: h + step, lambda step, h: 2 * h])
    assert edit(3, torch.tensor(1.0)) == 8


# Other timesteps


def test_at_its_own_timesteps_a_direction_stays_as_it_is():
    v = torch.randn(4, *H)
    for how in ("nearest", "linear"):
        assert torch.equal(at_timesteps(v, [999, 749, 499, 249], [999, 749, 499, 249], how), v)


def test_at_other_timesteps():
    v = torch.tensor([3.0, 2.0, 1.0]).view(3, 1, 1, 1)
    wanted = [999, 700, 525, 100, 0]
    nearest = at_timesteps(v, [800, 600, 400], wanted)
    linear = at_timesteps(v, [800, 600, 400], wanted, "linear")
    assert nearest.flatten().tolist() == [3.0, 3.0, 2.0, 1.0, 1.0]  # 700 is as near to both: the noisier
    torch.testing.assert_close(linear.flatten(), torch.tensor([3.0, 2.5, 1.625, 1.0, 1.0]))


def test_other_timesteps_need_a_timestep_for_each_step_and_a_known_way():
    with pytest.raises(UserError, match="3 steps and 2 timesteps"):
        at_timesteps(torch.zeros(3, *H), [9, 5], [9])
    with pytest.raises(UserError, match="expected nearest or linear"):
        at_timesteps(torch.zeros(1, *H), [9], [9], "cubic")
