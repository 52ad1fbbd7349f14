"""Lines of plain PyTorch that add to h at a capture point, as the card has them: what pipeline.hspace does, with nothing of it.

They take the vector of the timestep that is nearest to the one that the U-Net is passed, so they work in any loop, and in
pipelines.
"""

from collections.abc import Sequence
from typing import Any

MIDDLE = "middle"
INPUT = ":input"


def follow(timesteps: Sequence[int]) -> str:
    """Return the lines by which `nearest` is the place of the vector to add, in every pass of the U-Net."""
    return (
        f"made_at, nearest = torch.tensor({list(timesteps)}), 0  # the timestep of each vector; which is nearest in this pass\n"
        "def follow(module, args, kwargs):\n"
        "    global nearest\n"
        '    t = kwargs["timestep"] if "timestep" in kwargs else args[1]\n'
        "    nearest = int((made_at - float(torch.as_tensor(t).flatten()[0])).abs().argmin())\n"
        "unet.register_forward_pre_hook(follow, with_kwargs=True)"
    )


def hook(point: str, v: str, unet: dict[str, Any]) -> str:
    """Return the lines that add `gamma * v[nearest]` at one point of a U-Net of that configuration; `v` is how they call it."""
    if point == MIDDLE:
        return _middle(v, unet.get("resnet_time_scale_shift") == "scale_shift")
    module = point.removesuffix(INPUT)
    found = "unet.mid_block" if module == "mid_block" else f'unet.get_submodule("{module}")'
    if point == f"mid_block{INPUT}":
        return f"{found}.register_forward_pre_hook(lambda module, inputs: ({_added('inputs[0]', v)}, *inputs[1:]))"
    if point.endswith(INPUT):
        by_name = _added('kwargs["hidden_states"]', v)
        return (
            f"{found}.register_forward_pre_hook(\n"
            f"    lambda module, args, kwargs: (({_added('args[0]', v)}, *args[1:]), kwargs)\n"
            f'    if args else (args, {{**kwargs, "hidden_states": {by_name}}}),\n'
            "    with_kwargs=True,\n)"
        )
    if _gives_one_tensor(module, unet):
        return f"{found}.register_forward_hook(lambda module, inputs, h: {_added('h', v)})"
    return (
        f"{found}.register_forward_hook(\n"
        f"    lambda module, inputs, h: {_added('h', v)} if torch.is_tensor(h) else ({_added('h[0]', v)}, *h[1:])\n)"
    )


def _added(h: str, v: str) -> str:
    return f"{h} + gamma * {v}[nearest].to({h})"


def _middle(v: str, scaled: bool) -> str:
    """After `norm2`; where the time embedding scales and shifts what that gives, after it: at the activation that comes next."""
    resnet = "unet.mid_block.resnets[-1]"
    if not scaled:
        return f"{resnet}.norm2.register_forward_hook(lambda module, inputs, h: {_added('h', v)})"
    return (
        f"resnet, normed = {resnet}, []\n"
        "resnet.norm2.register_forward_hook(lambda module, inputs, h: normed.append(True))\n"
        "resnet.nonlinearity.register_forward_pre_hook(\n"
        f"    lambda module, inputs: ({_added('inputs[0]', v)},) if normed and normed.pop() else None\n)"
    )


def _gives_one_tensor(module: str, unet: dict[str, Any]) -> bool:
    """The mid block, ResNet blocks, and blocks of the way up but for those that hand an image on beside h."""
    if module == "mid_block":
        return True
    above = module.split(".")[-2:][0]
    plain = not any("Skip" in kind for kind in unet.get("up_block_types", ()))
    return above == "resnets" or (above == "up_blocks" and plain)
