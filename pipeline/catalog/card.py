"""The catalog's README.md: what is in the folder, what was measured, and the lines that apply a direction.

Its words are those of card.md.j2; here is what they are filled with.
"""

from collections.abc import Sequence

import pandas as pd

from pipeline.catalog import chosen
from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.catalog.doubts import doubts, of_template
from pipeline.catalog.hooks import follow, hook
from pipeline.catalog.markdown import code_span, plain
from pipeline.catalog.templates import Facts, render
from pipeline.metrics.best import reported
from pipeline.metrics.control import largest_control
from schemas.catalog import Catalog, Direction, ModelCard, in_words
from schemas.published import files_of, table_of_files
from schemas.samplers import sampler_of

Marks = dict[str, list[str]]  # by direction


def card(catalog: DirectionCatalog) -> str:
    """Return the card as Markdown."""
    about = catalog.about
    marks = _marks(catalog)
    shown = _shown(about, marks)
    points, shapes = shown.capture.split("+"), {each.point: each.shape for each in about.captures}
    return render(
        "card.md.j2",
        catalog=about,
        where=in_words(shown.capture),
        points=points,
        shapes=[[about.sampling.steps, *shapes[each]] for each in points],
        follow=follow(about.sampling.timesteps),
        hooks=[hook(each, "v" if len(points) == 1 else f"v[{each!r}]", about.model.unet) for each in points],
        elsewhere=sorted({in_words(each.capture) for each in about.directions if each.capture != shown.capture}),
        files=table_of_files(files_of(catalog.files)),
        shown=shown,
        gamma=_gamma(shown, catalog.table("effects.parquet")),
        code=_code(about),
        measured=_measured(catalog, catalog.table("effects.parquet"), marks),
        kind=sampler_of(about.sampling.eta),
        other=_otherwise(catalog),
        warnings=_warnings(catalog),
        code_span=code_span,
        plain=plain,
    )


def _marks(catalog: DirectionCatalog) -> Marks:
    """What is doubtful of each direction."""
    known = catalog.optional("profiles.parquet")
    profiles = {} if known is None else {row["direction"]: row for row in known.to_dict("records")}
    return {
        each.name: [*_of_strength(each), *of_template(profiles.get(each.name, {}))] for each in catalog.about.directions
    }


def _otherwise(catalog: DirectionCatalog) -> Facts | None:
    """The other kind of sampler that strengths were measured for, and these by direction; None where none was."""
    found = catalog.optional("samplers.parquet")
    if found is None or found.empty:
        return None
    known = found.dropna(subset="strength_per_sd").set_index("direction")
    beyond = known.index[known["strength_in_range"].eq(False)] if "strength_in_range" in known else []
    return {"kind": found["sampler"].iloc[0], "per_sd": known["strength_per_sd"].to_dict(), "beyond": set(beyond)}


def _shown(catalog: Catalog, marks: Marks) -> Direction:
    """Of the recommended directions, or else of all, the first with least to be said against it; those with a strength first."""
    recommended = [each for each in catalog.directions if each.name in catalog.recommended.values()]
    supervised = [each for each in catalog.directions if each.attribute]
    shown = recommended or supervised or catalog.directions
    return min(shown, key=lambda each: (not each.strength_per_sd, len(marks[each.name])))


def _gamma(shown: Direction, effects: pd.DataFrame) -> float:
    """The multiple of its strength per standard deviation at which a direction was measured; without one, its largest strength."""
    if not shown.strength_per_sd:
        measured = effects.loc[effects["direction"] == shown.name, "strength"].abs()
        return float(measured.max()) if len(measured) else 1.0
    return -1.0 if shown.strength_by == "fall" else 1.0


def _code(catalog: Catalog) -> Facts:
    """Return what the lines that apply a direction are made of; `width` is that of a conditional U-Net's condition."""
    model = catalog.model
    unet, scheduler, config = model.unet, model.scheduler, model.autoencoder or {}
    kind, size = unet.get("_class_name", "UNet2DModel"), unet["sample_size"]
    autoencoder, channels = config.get("_class_name"), unet["in_channels"]
    of_ddpm = scheduler.get("beta_schedule") in ("sigmoid", "laplace") and not scheduler.get("trained_betas")
    return {
        "unet": kind,
        "autoencoder": autoencoder,
        "classes": sorted(filter(None, {"DDIMScheduler", kind, autoencoder, "DDPMScheduler" if of_ddpm else None})),
        "x_shape": [channels, *([size, size] if isinstance(size, int) else size)],
        "width": unet.get("encoder_hid_dim") or unet.get("cross_attention_dim"),
        "of_unet": _subfolder(model.unet_folder) + (f', variant="{model.variant}"' if model.variant else ""),
        "of_scheduler": _subfolder("." if model.unet_folder == "." else "scheduler"),
        "of_ddpm": of_ddpm,
        "threshold_off": bool(scheduler.get("thresholding")) and not catalog.sampling.clip,
        "told": _told(model),
        "mean": f"[:, :{channels}]" if unet.get("out_channels", channels) > channels else "",
        "decoded": _decoded(config) if autoencoder else "",
        "channels": config.get("out_channels", channels),
    }


def _subfolder(name: str) -> str:
    return "" if name == "." else f', subfolder="{name}"'


def _told(model: ModelCard) -> str:
    """What the U-Net is given beside x_t and the timestep, of four samples."""
    given = ["condition.expand(4, -1, -1)"] if "cross_attention_dim" in model.unet else []
    if model.class_label is not None:
        each = model.class_label == "each"
        classes = (
            f"torch.arange(4) % {model.unet['num_class_embeds']}" if each else f"torch.full((4,), {model.class_label})"
        )
        given.append(f"class_labels={classes}")
    return "".join(f", {each}" for each in given)


def _decoded(config: Facts) -> str:
    """Latents of x_t: what the decoder is given."""
    scale, shift = config["scaling_factor"], config.get("shift_factor")
    if config.get("latents_mean") is None or config.get("latents_std") is None:
        return f"x_t / {scale}" + (f" + {shift}" if shift else "")
    std, mean = (f"torch.tensor({config[key]}).view(1, -1, 1, 1)" for key in ("latents_std", "latents_mean"))
    return f"x_t / {scale} * {std} + {mean}"


def _measured(published: DirectionCatalog, effects: pd.DataFrame, marks: Marks) -> Facts:
    """What supervised directions do, by the first judge, those to use first; `rows` is empty where nothing was measured."""
    catalog = published.about
    supervised = {direction.name: direction for direction in catalog.directions if direction.attribute}
    if not supervised or not catalog.evaluations:
        return {"rows": [], "unscored": [], "doubts": []}
    judge = catalog.evaluations[0].judges[0]
    effects = effects[effects["judge"] == judge]
    controls = effects[effects["control"] & effects["evaluation"].isin(_compared(catalog, set(supervised)))]
    targets = {name: str(direction.attribute) for name, direction in supervised.items()}
    table = published.optional("best.parquet")
    best = reported(effects, targets, table)
    use = [name for name in catalog.recommended.values() if name in best.index]
    best = best.loc[[*use, *(name for name in best.index if name not in use)]]
    none_valid = set() if table is None else set(table.loc[table["strength_index"].isna(), "direction"])
    attributes = sorted(set(effects["attribute"]))
    left_out = [str(row.attribute) for name, row in supervised.items() if name not in {*best.index, *none_valid}]
    rows = [_row(supervised[str(name)], row, attributes, marks[str(name)]) for name, row in best.iterrows()]
    return {
        "judge": judge,
        "allowed": any(judge in each.allowed for each in catalog.evaluations),
        "several": len(catalog.captures) > 1,  # points where directions are added
        "attributes": attributes,
        "headings": list(map(plain, attributes)),
        "rows": rows,
        "control": None if controls.empty else largest_control(controls).max(),
        "unscored": list(dict.fromkeys(attribute for attribute in left_out if attribute not in attributes)),
        "doubts": [mark for row in rows for mark in row["doubts"]],
        "chosen": chosen.in_words(best),
        "none_valid": [name for name in supervised if name in none_valid],
    }


def _warnings(published: DirectionCatalog) -> dict[str, list[str]]:
    """What directions.parquet says that a user of a direction should know; nothing of a catalog that is still without it."""
    table = published.optional("directions.parquet")
    rows = [] if table is None else table[["name", "warnings"]].to_dict("records")
    return {row["name"]: list(row["warnings"]) for row in rows if row["warnings"] is not None and len(row["warnings"])}


def _compared(catalog: Catalog, supervised: set[str]) -> set[int | None]:
    """The evaluations whose random directions the supervised ones were compared with."""
    measured = {i: each for i, each in enumerate(catalog.evaluations) if supervised & set(each.directions)}
    return {*measured, *(each.control for each in measured.values())}


def _row(direction: Direction, best: pd.Series, attributes: list[str], marks: list[str]) -> Facts:
    """A direction at its best strength; `target` is the place of its own among the effects, one an attribute."""
    return {
        "name": direction.name,
        "capture": direction.capture,
        "strength_per_sd": direction.strength_per_sd,
        "doubts": marks,
        "n": int(best["n"]),
        "chosen_on": "–"
        if pd.isna(best["selection_n"])
        else "the same"
        if best["selection_n"] == 0
        else int(best["selection_n"]),
        "strength": best["strength"],
        "clean": best["clean"],
        **{name: None if pd.isna(best[name]) else best[name] for name in ("ratio", "ratio_low", "ratio_high")},
        # in the direction of the strength, as the effects are:
        **dict(zip(("low", "high"), _signed(best), strict=True)),
        "effects": [None if pd.isna(best[each]) else best[each] for each in attributes],
        "target": attributes.index(best["target"]),
    }


def _signed(best: pd.Series) -> Sequence[float | None]:
    """The ends of the interval of the effect on the target, with the sign that the effect has at this strength."""
    if pd.isna(best["on_low"]):
        return [None, None]
    sense = 1 if best["strength"] > 0 else -1
    return sorted([sense * float(best["on_low"]), sense * float(best["on_high"])])


def _of_strength(direction: Direction) -> list[str]:
    if direction.strength_per_sd is None:
        return []
    return doubts(direction.strength_in_range, direction.verified, direction.strength_by)
