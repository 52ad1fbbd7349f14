"""Lines of plain PyTorch that add to h at a capture point, as the card has them: what pipeline.hspace does, with nothing of it."""

from typing import Any

MIDDLE = "middle"
INPUT = ":input"


def hook(point: str, v: str, unet: dict[str, Any]) -> str:
    """Return the lines that add `gamma * v[step]` at one point of a U-Net of that configuration; `v` is how they call it."""
    added = f"gamma * {v}[step]"
    if point == MIDDLE:
        return _middle(added, unet.get("resnet_time_scale_shift") == "scale_shift")
    module = point.removesuffix(INPUT)
    found = "unet.mid_block" if module == "mid_block" else f'unet.get_submodule("{module}")'
    if point == f"mid_block{INPUT}":
        return f"{found}.register_forward_pre_hook(lambda module, inputs: (inputs[0] + {added}, *inputs[1:]))"
    if point.endswith(INPUT):
        return (
            f"{found}.register_forward_pre_hook(\n"
            f"    lambda module, args, kwargs: ((args[0] + {added}, *args[1:]), kwargs)\n"
            f'    if args else (args, {{**kwargs, "hidden_states": kwargs["hidden_states"] + {added}}}),\n'
            "    with_kwargs=True,\n)"
        )
    if _gives_one_tensor(module, unet):
        return f"{found}.register_forward_hook(lambda module, inputs, h: h + {added})"
    return (
        f"{found}.register_forward_hook(\n"
        f"    lambda module, inputs, h: h + {added} if torch.is_tensor(h) else (h[0] + {added}, *h[1:])\n)"
    )


def _middle(added: str, scaled: bool) -> str:
    """After `norm2`; where the time embedding scales and shifts what that gives, after it: at the activation that comes next."""
    resnet = "unet.mid_block.resnets[-1]"
    if not scaled:
        return f"{resnet}.norm2.register_forward_hook(lambda module, inputs, h: h + {added})"
    return (
        f"resnet, normed = {resnet}, []\n"
        "resnet.norm2.register_forward_hook(lambda module, inputs, h: normed.append(True))\n"
        "resnet.nonlinearity.register_forward_pre_hook(\n"
        f"    lambda module, inputs: (inputs[0] + {added},) if normed and normed.pop() else None\n)"
    )


def _gives_one_tensor(module: str, unet: dict[str, Any]) -> bool:
    """The mid block, ResNet blocks, and blocks of the way up but for those that hand an image on beside h."""
    if module == "mid_block":
        return True
    above = module.split(".")[-2:][0]
    plain = not any("Skip" in kind for kind in unet.get("up_block_types", ()))
    return above == "resnets" or (above == "up_blocks" and plain)
