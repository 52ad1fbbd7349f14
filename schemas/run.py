"""A run: every setting of a direction catalog, in one object. A TOML file, the command line and Python are spellings of it."""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

LARGEST_SEED = 2**63 - 1  # that a column of 64 bits holds


def _by_commas(value: Any) -> Any:
    if isinstance(value, str):
        return [each.strip() for each in value.split(",")] if value.strip() else []
    return value


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if twice := [value for value in dict.fromkeys(values) if values.count(value) > 1]:
        raise ValueError(f"expected each once, and {twice[0]} is there twice")
    return values


def _not_empty(value: Any) -> Any:
    if value == "":
        raise ValueError("expected a name or a path; leave it out for none")
    return value


def _class(value: Any) -> Any:
    if isinstance(value, str) and value != "each" and not value.isdecimal():
        raise ValueError("expected a whole number, or each")
    return value


def _percent(value: Any) -> Any:
    if isinstance(value, str) and value.endswith("%"):
        try:
            return float(value[:-1]) / 100
        except ValueError:
            raise ValueError("expected a share, as 5% or 0.05") from None
    return value


Share = Annotated[float, BeforeValidator(_percent)]
Name = Annotated[str, BeforeValidator(_not_empty)]
File = Annotated[Path, BeforeValidator(_not_empty)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_one_or_more), AfterValidator(_distinct)]
# What the command line has behind one option, by commas:
ByCommas = Annotated[tuple[Name, ...], BeforeValidator(_by_commas), AfterValidator(_distinct)]
NumbersByCommas = Annotated[tuple[float, ...], BeforeValidator(_by_commas), AfterValidator(_distinct)]


def _setting(default: Any, group: str, metavar: str, description: str, **more: Any) -> Any:
    """A setting. The command line shows its group and metavar: none is of a flag, NAME... of an option that may be repeated."""
    return Field(
        default=default, description=description, json_schema_extra={"group": group, "metavar": metavar}, **more
    )


WHAT, HOW, FIND, MEASURE = "What is brought", "Sampling", "Directions", "Measurement"


class Run(BaseModel):
    """What directions to find, in what, and how to measure them."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        kind = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and bool not in (kind, *get_args(kind)):
            raise ValueError("expected another value than true or false")
        return value

    model: Name | None = _setting(
        None,
        WHAT,
        "NAME",
        "Folder of a diffusers model, or its repository on the model hub (owner/name, or owner/name@revision), or one that "
        "comes with this project, by its name.",
    )
    annotator: Name | None = _setting(
        None, WHAT, "NAME", "Who labels the samples that directions are fitted on: a name from below, or module:object."
    )
    judge: Names = _setting(
        (),
        WHAT,
        "NAME...",
        "Who measures, named in the same way; may be repeated. Directions are named, calibrated and ranked by the first.",
    )
    allow_judge: Names = _setting(
        (), WHAT, "NAME...", "A judge that may measure directions fitted on its own scores; may be repeated."
    )
    attributes: ByCommas | None = _setting(
        None,
        WHAT,
        "NAMES",
        "What to find directions for, by commas; without, all that the annotator scores; '' is none.",
    )
    images: File | None = _setting(
        None, WHAT, "PATH", "Folder or Parquet of real images to find directions in, instead of in samples."
    )
    fail_above: Share = _setting(
        0.05,
        WHAT,
        "SHARE",
        "Share of images, as 5% or 0.05: a set of which more cannot be read is an error.",
        ge=0,
        le=1,
    )
    region: Names = _setting(
        ("image",),
        WHAT,
        "NAME...",
        "Where the Jacobian looks for what changes: image, box:LEFT,TOP,RIGHT,BOTTOM, mask:FILE, a region by name, or "
        "module:object; may be repeated.",
    )
    foreground: Name | None = _setting(
        None, WHAT, "NAME", "What an edit may change, named as regions are: the change of the rest is measured."
    )
    embedder: Name | None = _setting(
        None,
        WHAT,
        "NAME",
        "In whose features images are compared, named as annotators are; without, a judge's that has some.",
    )
    facenet_weights: File | None = _setting(
        None, WHAT, "FILE", "Weights of FaceNet, to measure identity by; without, features of a judge."
    )

    unet: Name | None = _setting(
        None, HOW, "NAME", "Folder of the U-Net in the model's, where there are several: unet, unet_ema."
    )
    variant: Name | None = _setting(None, HOW, "NAME", "Which of several sets of weights: fp16, non_ema.")
    condition: File | None = _setting(
        None, HOW, "FILE", "Embedding of a prompt, of models that have one; python -m jobs.embed_prompt makes it."
    )
    class_label: Annotated[int | Literal["each"] | None, BeforeValidator(_class)] = _setting(
        None,
        HOW,
        "CLASS",
        "Class of all samples, of models that have classes: a number, or 'each', which draws one for every sample.",
    )
    samples: int = _setting(
        896,
        HOW,
        "INTEGER",
        "Samples to find directions in; with real images, samples whose spread is the unit of effects, at most 128.",
    )
    steps: int = _setting(16, HOW, "INTEGER", "T, steps of the reverse process.")
    eta: float = _setting(1.0, HOW, "NUMBER", "0 = DDIM, 1 = DDPM.")
    seed: int = _setting(0, HOW, "INTEGER", "Of the samples' noise.", ge=0, le=LARGEST_SEED)
    batch: int = _setting(
        32, HOW, "INTEGER", "Samples that run through the networks together; results depend on it by rounding."
    )
    dtype: Literal["float32", "bfloat16", "float16", "auto"] = _setting(
        "float32",
        HOW,
        "NAME",
        "Precision of the U-Net's arithmetic: float32, bfloat16 or float16. auto times the first two once, where the work is done, "
        "and takes bfloat16 where it is at least 1.2 times as fast; the catalog records which.",
    )
    clip: bool | None = _setting(
        None,
        HOW,
        "",
        "Clip the predicted image at every step; without, as the model's scheduler says, and never latents.",
    )
    compile: bool = _setting(False, HOW, "", "Compile the U-Net first: minutes once a worker, and faster on GPUs.")
    capture: ByCommas = _setting(
        ("auto",),
        HOW,
        "POINTS",
        "Where h is read and edited, by commas: mid_block, the paper's; up_blocks.0, up_blocks.1:input or any other module; points "
        "with + between them are edited together. auto chooses for each attribute, by what it finds in a few samples.",
    )
    activations: bool = _setting(
        True, HOW, "", "Store h of every sample. Without, workers keep sketches of it: megabytes, but fewer estimators."
    )
    block: int = _setting(2048, HOW, "INTEGER", "Samples that a worker sketches at a time, where h is sketched.")

    top: int = _setting(128, FIND, "INTEGER", "Positives, and as many negatives, of an attribute (Eq. 11).")
    components: int = _setting(10, FIND, "INTEGER", "Principal components; 0 leaves them out.")
    across: Literal["per-step", "matched", "joint"] = _setting(
        "per-step",
        FIND,
        "NAME",
        "How components of the steps belong together: per-step (the paper's), matched, or joint.",
    )
    jacobians: int = _setting(
        8, FIND, "INTEGER", "Samples whose Jacobians give directions of single images; 0 leaves them out."
    )
    imported: Names | None = _setting(
        None,
        FIND,
        "FILE...",
        "Description of directions from outside, which are measured beside the others (docs/import.md); may be repeated.",
    )
    by_effects: bool = _setting(
        False, FIND, "", "Also project away only what each direction is measured to move beside its target."
    )

    held_out: int = _setting(
        28, MEASURE, "INTEGER", "Held-out samples that the recommended directions are measured on; others on fewer."
    )
    protocol: Literal["demo", "paper"] = _setting(
        "demo",
        MEASURE,
        "NAME",
        "What supervised directions are measured on: demo, or paper (Table I: 100 samples of each of 10 seeds).",
    )
    strengths: NumbersByCommas | None = _setting(
        None,
        MEASURE,
        "NUMBERS",
        "Strengths of all edits, by commas; without, each direction has its own, found on a few samples.",
    )
