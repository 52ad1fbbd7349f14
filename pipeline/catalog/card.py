"""The catalog's README.md: what is in the folder, what was measured, and the lines that apply a direction."""

from collections.abc import Sequence

import pandas as pd

from pipeline.metrics.effects import best_strengths, largest_control
from schemas.catalog import CAPTURES, Catalog, Direction

_APPLY = """\
import torch
from diffusers import {classes}
from safetensors.torch import load_file

folder, name, gamma, strength_per_sd = {folder!r}, {name!r}, {gamma}, {strength_per_sd}
unet = {unet}.from_pretrained(folder, subfolder="unet").eval()
scheduler = DDIMScheduler.from_pretrained(folder, subfolder="scheduler", clip_sample={clip})
{load}v = strength_per_sd * load_file("directions.safetensors")[name]  # (T, C, H, W)

step = 0
{hook}
generator = torch.Generator().manual_seed(0)
x_t = torch.randn(4, *{x_shape}, generator=generator)
scheduler.set_timesteps(len(v))
with torch.inference_mode():
    for step, t in enumerate(scheduler.timesteps[: len(v)]):
        x_t = scheduler.step(unet(x_t, t{condition}).sample, t, x_t, eta={eta}, generator=generator).prev_sample
{decode}images = ((x_t.clamp(-1, 1) + 1) * 127.5).round().byte()  # (4, 3, H, W)
"""

# How plain PyTorch adds to h at a capture point; in the middle, where the time embedding does not come after `norm2`.
_HOOKS = {
    "after": "unet.mid_block.register_forward_hook(lambda module, inputs, h: h + gamma * v[step])",
    "before": "unet.mid_block.register_forward_pre_hook(lambda module, inputs: (inputs[0] + gamma * v[step], *inputs[1:]))",
    "middle": "unet.mid_block.resnets[-1].norm2.register_forward_hook(lambda module, inputs, h: h + gamma * v[step])",
}

_CARD = """\
# Directions in the h-space of {model}

{n_directions} directions, found on {found_on} (T = {steps}, eta = {eta}, seed {seed}). A direction is a float32 array
[T, C, H, W] = {shape}; adding `gamma * v[step]` to {where} at every step of the
reverse process changes what the image shows. Method: Haas et al. 2024, arXiv 2303.11073.

| file | holds |
|---|---|
| `catalog.json` | the model, the sampling, the directions and every setting behind them |
| `directions.safetensors` | the vectors, by name |
| `directions.parquet` | one row a direction: how it was made, from what, n, thresholds, norms, parents |
| `effects.parquet` | what each direction changes on held-out samples, beside random directions of the same norms |
| `preservation.parquet` | what edits leave alone: identity, MS-SSIM, background; and how far images stay the model's own |
| `profiles.parquet` | of each direction what it does in words, its strength per standard deviation, its valid range; ranks |
{more}| `SHA256SUMS` | `sha256sum -c SHA256SUMS` |

**The model is** {model}, weights SHA-256 `{weights}`. With any other model these vectors mean nothing.

## Apply a direction

With plain diffusers; `folder` holds the model's `unet` and `scheduler`, `gamma` grades the edit, negative gamma turns it round.
{calibrated}

```python
{code}```

## What the directions do

{effects}
"""

_CALIBRATED = """\
With `strength_per_sd` from `catalog.json`, {strength:.3g} for `{name}`, the target {moves} by about one standard deviation at
gamma = {gamma:g}, whatever method made the direction."""

_EFFECTS = """\
Mean change of each attribute on n held-out samples, scored by `{judge}`, which {knows}.
Unit of effects: standard deviations of the attribute over samples. Each direction is shown at the strength with
its largest clean effect (no other attribute moves by more than a third of the target), or, marked *, at its best ratio where
no strength is clean; `effects.parquet` has every strength. `strength_per_sd` times the vector moves the target by one standard
deviation.

{table}

{notes}
"""
_LABELLED_NOTHING = "labelled nothing that directions are fitted on"
_ALLOWED = "was allowed to judge directions that are fitted on its own labels"
_BEYOND = "† Images at about that strength were not measured to be the model's own."
_UNVERIFIED = "‡ Not verified on images: read off the effects at the strengths that were measured."
_FALLS = "§ By the fall of the target at minus that strength: it does not rise so far."

_MORE = {
    "transfer.parquet": "what a direction found on one sample does to that one, and to held-out samples",
    "learning_curve.parquet": "how many labelled samples a direction needs, in h and in x_T",
    "locality.parquet": "how much of what a direction changes lies inside a region of the image",
}


def card(catalog: Catalog, effects: pd.DataFrame, controls: pd.DataFrame, more: Sequence[str] = ()) -> str:
    """The card as Markdown. effects: the rows of effects.parquet; more: the names of such other tables as there are.

    controls: those rows of the random directions that the supervised ones were compared with.
    """
    shown = _shown(catalog)
    return _CARD.format(
        model=catalog.model.name,
        weights=catalog.model.weights_sha256,
        n_directions=len(catalog.directions),
        found_on=_found_on(catalog),
        steps=catalog.sampling.steps,
        eta=catalog.sampling.eta,
        seed=catalog.sampling.seed,
        shape=[catalog.sampling.steps, *catalog.h_shape],
        where=CAPTURES[catalog.capture],
        calibrated=_calibrated(shown),
        code=_code(catalog, shown),
        more="".join(f"| `{name}` | {_MORE[name]} |\n" for name in more),
        effects=_effects(catalog, effects, controls),
    )


def _shown(catalog: Catalog) -> Direction:
    """The first of the directions whose strength per standard deviation has least to be said against it."""
    supervised = [direction for direction in catalog.directions if direction.attribute]
    return min(
        supervised or catalog.directions,
        key=lambda each: (not each.strength_per_sd, len(_strength_per_sd(each).split()) - 1),
    )


def _calibrated(shown: Direction) -> str:
    if not shown.strength_per_sd:
        return ""
    moves = "falls" if shown.strength_by == "fall" else "rises"
    return _CALIBRATED.format(name=shown.name, strength=shown.strength_per_sd, moves=moves, gamma=_gamma(shown))


def _gamma(direction: Direction) -> float:
    """The multiple of its strength per standard deviation at which a direction was measured."""
    return -1.0 if direction.strength_by == "fall" else 1.0


def _found_on(catalog: Catalog) -> str:
    found = f"{catalog.sampling.n} {catalog.sampling.found_in}"
    return found if catalog.sampling.found_in == "samples" else f"{found}, inverted, and measured on samples"


def _code(catalog: Catalog, shown: Direction) -> str:
    unet, eta = catalog.model.unet, catalog.sampling.eta
    load, condition = _condition(catalog)
    decoder, decode = _decoder(catalog)
    kind = unet.get("_class_name", "UNet2DModel")
    size = unet["sample_size"]
    autoencoder = [catalog.model.autoencoder["_class_name"]] if catalog.model.autoencoder else []
    return _APPLY.format(
        folder="path/to/model",
        name=shown.name,
        gamma=_gamma(shown)
        if shown.strength_per_sd
        else max(abs(strength) for strength in catalog.evaluations[0].strengths),
        strength_per_sd=shown.strength_per_sd or 1.0,
        classes=", ".join(sorted({"DDIMScheduler", kind, *autoencoder})),
        unet=kind,
        clip=catalog.sampling.clip,
        load=load + decoder,
        hook=_HOOKS[catalog.capture],
        x_shape=[unet["in_channels"], *([size, size] if isinstance(size, int) else size)],
        condition=condition,
        eta=f"{eta}[step]" if isinstance(eta, list) else eta,
        decode=decode,
    )


def _condition(catalog: Catalog) -> tuple[str, str]:
    """How a conditional U-Net's condition is loaded, and given to it."""
    width = catalog.model.unet.get("cross_attention_dim")
    if width is None:
        return "", ""
    if catalog.model.condition_sha256:
        load = 'condition = load_file(f"{folder}/condition.safetensors")["encoder_hidden_states"]\n'
    else:
        load = f"condition = torch.zeros(1, 1, {width})\n"
    return load, ", condition.expand(4, -1, -1)"


def _decoder(catalog: Catalog) -> tuple[str, str]:
    """How a latent model's autoencoder is loaded, and decodes x_0."""
    config = catalog.model.autoencoder
    if config is None:
        return "", ""
    kind = config["_class_name"]
    folder = "vqvae" if kind == "VQModel" else "vae"
    shift = f" + {config['shift_factor']}" if config.get("shift_factor") else ""
    return (
        f'autoencoder = {kind}.from_pretrained(folder, subfolder="{folder}").eval()\n',
        f"    x_t = autoencoder.decode(x_t / autoencoder.config.scaling_factor{shift}).sample\n",
    )


def _effects(catalog: Catalog, effects: pd.DataFrame, controls: pd.DataFrame) -> str:
    supervised = {direction.name: direction for direction in catalog.directions if direction.attribute}
    if not supervised or not catalog.evaluations:
        return "Nothing supervised was measured."
    judge = catalog.evaluations[0].judges[0]
    effects, controls = (table[table["judge"] == judge] for table in (effects, controls))
    best = best_strengths(effects, {name: str(direction.attribute) for name, direction in supervised.items()})
    attributes = sorted(set(effects["attribute"]))
    unscored = _unscored(judge, [row for name, row in supervised.items() if name not in best.index], attributes)
    if best.empty:
        return "\n\n".join(["Nothing supervised was measured.", *unscored])
    lines = [
        f"| direction | strength per SD | n | strength | {' | '.join(attributes)} |",
        "|" + "---|" * (4 + len(attributes)),
    ]
    for name, row in best.iterrows():
        cells = [f"**{_effect(row[each])}**" if each == row["target"] else _effect(row[each]) for each in attributes]
        strength = f"{row['strength']:+g}{'' if row['clean'] else ' *'}"
        n = _n(effects, str(name), row)
        lines.append(
            f"| `{name}` | {_strength_per_sd(supervised[str(name)])} | {n} | {strength} | {' | '.join(cells)} |"
        )
    notes = [
        _control(controls),
        *unscored,
        *_marks([supervised[str(name)] for name in best.index]),
    ]
    allowed = any(judge in each.allowed for each in catalog.evaluations)
    return _EFFECTS.format(
        judge=judge,
        knows=_ALLOWED if allowed else _LABELLED_NOTHING,
        table="\n".join(lines),
        notes="\n\n".join(notes),
    )


def _effect(effect: float) -> str:
    return "–" if pd.isna(effect) else f"{effect:+.2f}"


def _n(effects: pd.DataFrame, name: str, best: pd.Series) -> int:
    """Held-out samples behind the effect on the target of a direction at its best strength."""
    own = effects[(effects["direction"] == name) & (effects["attribute"] == best["target"])]
    return int(own.loc[own["strength"] == best["strength"], "n"].iloc[0])


def _control(controls: pd.DataFrame) -> str:
    if controls.empty:
        return "No random directions were measured beside these."
    largest = largest_control(controls).max()
    return f"Largest effect of random directions of the same norms, at any strength: {largest:.2f}."


def _unscored(judge: str, left_out: list[Direction], scored: list[str]) -> list[str]:
    """Of directions that are not in the table, the attributes that the judge does not score."""
    unknown = dict.fromkeys(str(direction.attribute) for direction in left_out if direction.attribute not in scored)
    said = f"Directions of what `{judge}` does not score were measured on other attributes only: {', '.join(unknown)}."
    return [said] if unknown else []


def _strength_per_sd(direction: Direction) -> str:
    if direction.strength_per_sd is None:
        return "–"
    doubts = {
        "†": direction.strength_in_range is False,
        "‡": not direction.verified,
        "§": direction.strength_by == "fall",
    }
    return " ".join([f"{direction.strength_per_sd:.3g}", *(mark for mark, doubted in doubts.items() if doubted)])


def _marks(shown: list[Direction]) -> list[str]:
    """What the marks behind strengths mean, as far as there are any."""
    marked = "".join(map(_strength_per_sd, shown))
    return [note for note in (_BEYOND, _UNVERIFIED, _FALLS) if note[0] in marked]
