"""A model's scheduler as its reverse process needs it: the betas that it was trained with, and whether P_t is clipped.

Whatever scheduler a model comes with, what is kept of it is its betas, its prediction type and its spacing: Eq. 2-5 are the steps.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pipeline.errors import UserError
from pipeline.models.values import Config, choice, number, whole

if TYPE_CHECKING:
    from diffusers import DDIMScheduler

PREDICTIONS = ("epsilon", "v_prediction", "sample")
SPACINGS = ("leading", "trailing", "linspace")
LEARNED = ("learned", "learned_range")
VARIANCES = ("fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log", *LEARNED)

_DDPM_S = ("sigmoid", "laplace")  # schedules of betas that DDPMScheduler makes and DDIMScheduler does not
_CLIPPING = ("DDIM", "DDPM", "UnCLIP")  # schedulers that clip unless their file says otherwise, since diffusers began
_ANOTHER = "Flow matching and variance-exploding models (EDM, Karras, NCSN++) have another reverse process."
_DISTILLED = ("LCM", "TCD", "Consistency")


def checked(config: Config, path: Path) -> Config:
    """The configuration without the release that wrote it, whole numbers as such.

    Raises UserError for a model that was not trained as a DDPM, so that Eq. 2-5 do not describe its reverse process, and for
    values that no scheduler can work with.
    """
    _check_kind(config)
    kept = {key: value for key, value in config.items() if not key.startswith("_") or key == "_class_name"}
    for key, least in {"num_train_timesteps": 1, "steps_offset": 0}.items():
        if (found := whole(config, key, path, least=least)) is not None:
            kept[key] = found
    for key in ("beta_start", "beta_end", "dynamic_thresholding_ratio"):
        number(config, key, path, 0, 1)
    for key, low in {"clip_sample_range": 1e-6, "sample_max_value": 1.0}.items():
        number(config, key, path, low)
    for key in ("clip_sample", "thresholding", "set_alpha_to_one", "rescale_betas_zero_snr"):
        choice(config, key, path, (True, False))
    choice(config, "timestep_spacing", path, SPACINGS)
    if str(config.get("_class_name")).startswith("DDPM"):
        choice(config, "variance_type", path, VARIANCES)
    _check_betas(ddim(kept, clips(kept)), kept, path)
    return kept


def ddim(config: Config, clip: bool) -> "DDIMScheduler":
    """Eq. 2's scheduler with a model's own betas, prediction type and spacing.

    clip: whether P_t is kept in its range, by the dynamic threshold where the model has one.
    """
    from diffusers import DDIMScheduler

    own = {"clip_sample": clip, "thresholding": clip and bool(config.get("thresholding"))}
    try:
        return DDIMScheduler.from_config(config, **own, **_betas(config))
    except Exception as error:
        raise UserError(
            f"DDIM cannot use this scheduler ({type(error).__name__}: {error}).\nCheck scheduler_config.json."
        ) from error


def clips(config: Config) -> bool:
    """Whether a model's own scheduler keeps P_t in its range: as its file says, or as its kind does where that says nothing."""
    if config.get("thresholding"):
        return True
    kind = str(config.get("_class_name") or "DDIM")
    named = config.get("clip_sample")
    return kind.startswith(_CLIPPING) if named is None else bool(named)


def variance_type(config: Config) -> str | None:
    """What the noise of a DDPM's step was meant to have, where the scheduler says it."""
    return config.get("variance_type")


def _betas(config: Config) -> Config:
    """The betas of a schedule that DDIMScheduler does not make: its `trained_betas`."""
    schedule = config.get("beta_schedule")
    if schedule not in _DDPM_S or config.get("trained_betas") is not None:
        return {}
    from diffusers import DDPMScheduler

    keys = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule")
    made = DDPMScheduler(**{key: config[key] for key in keys if config.get(key) is not None})
    return {"trained_betas": made.betas.tolist()}


def _check_kind(config: Config) -> None:
    kind = str(config.get("_class_name"))
    if kind.startswith(_DISTILLED):
        raise UserError(
            f"The scheduler, {kind}, is that of a distilled model, which goes to x_0 in one step and makes it noisy again; "
            "expected a diffusion model trained as a DDPM.\nUse the model that it was distilled from."
        )
    if "beta_schedule" not in config and config.get("trained_betas") is None:
        raise UserError(
            f"The scheduler, {kind}, has no betas; expected a diffusion model trained as a DDPM "
            f"(DDPMScheduler, DDIMScheduler and the like).\n{_ANOTHER}"
        )
    prediction, timesteps = config.get("prediction_type", "epsilon"), config.get("timestep_type", "discrete")
    if prediction not in PREDICTIONS or timesteps == "continuous":
        raise UserError(
            f"The {kind} predicts {prediction!r} at {timesteps} timesteps; "
            f"expected {', '.join(PREDICTIONS)}, at discrete ones.\n{_ANOTHER}"
        )


def _check_betas(scheduler: "DDIMScheduler", config: Config, path: Path) -> None:
    """Whether there are as many betas as timesteps, and they add noise."""
    given: Any = scheduler.betas
    expected = scheduler.config.num_train_timesteps
    if given.ndim != 1 or len(given) != expected:
        raise UserError(
            f"{path} has {given.numel()} trained_betas for {expected} timesteps (num_train_timesteps); expected as many.\n"
            "Copy the file again, from where the model is published."
        )
    if not (torch.isfinite(given).all() and (given >= 0).all() and (given <= 1).all() and given.max() > 0):
        raise UserError(
            f"The betas of {path} run from {float(given.min()):g} to {float(given.max()):g}; expected numbers from 0 to 1.\n"
            "Copy the file again, from where the model is published."
        )
