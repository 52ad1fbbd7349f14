"""catalog.json: what a direction catalog says of itself. Its JSON Schema is committed as `schemas/catalog.schema.json`.

Remake the schema with `python -m schemas.catalog`.
"""

import json
from math import prod
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_FILE = Path(__file__).with_suffix(".schema.json")


def in_words(capture: str) -> str:
    """Return where h is read and edited, in words."""
    return " and ".join(map(_in_words, capture.split("+")))


def _in_words(point: str) -> str:
    if point == "middle":
        return "the inside of the U-Net's mid block (its last ResNet block, after norm2)"
    module, _, side = point.partition(":")
    return f"the {side or 'output'} of the U-Net's {'mid block' if module == 'mid_block' else module}"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelCard(_Strict):
    """The model whose h-space the directions live in. With any other they are meaningless."""

    name: str = Field(description="folder or hub id, as it was given")
    revision: str | None = Field(description="commit of the hub repository")
    weights_sha256: str = Field(
        description="of the U-Net's weights, the file as the user has it; of sharded ones, of all shards one after another"
    )
    unet: dict[str, Any] = Field(
        description="the U-Net's configuration, as diffusers wrote it; of a UNet2DModel unless _class_name says otherwise"
    )
    scheduler: dict[str, Any] = Field(description="the scheduler's configuration, as diffusers wrote it")
    autoencoder: dict[str, Any] | None = Field(
        default=None, description="configuration of a latent model's VQModel or AutoencoderKL; null works on pixels"
    )
    autoencoder_sha256: str | None = Field(default=None, description="of the autoencoder's weights")
    condition_sha256: str | None = Field(
        default=None,
        description="of the file with the U-Net's encoder_hidden_states; null is zeros, or no condition",
    )
    class_label: int | Literal["each"] | None = Field(
        default=None,
        description="the class of all samples, or `each`: a class a sample; null for a U-Net without classes",
    )
    unet_folder: str = Field(
        default="unet", description="where the U-Net lies in the model's folder; `.` is at its top"
    )
    variant: str | None = Field(
        default=None, description="of the U-Net's weights, such as fp16; null are the full ones"
    )
    notes: list[str] = Field(
        default=[], description="what was done otherwise than the model's own files say, such as a variance left out"
    )


class Sampling(_Strict):
    """How the samples were made, and so how a direction is meant to be applied."""

    steps: int = Field(description="T, steps of the reverse process; also the first axis of a direction")
    timesteps: list[int] = Field(description="the timestep of each step; step 0 is the noisiest")
    eta: float | list[float] = Field(description="0 = DDIM, 1 = DDPM; a list has one a step")
    clip: bool = Field(description="whether P_t (pred_original_sample) is clipped")
    dtype: str = Field("float32", description="of autocast; float32 is none")
    seed: int
    n: int = Field(description="samples, or real images, that the directions are fitted on")
    found_in: Literal["samples", "real images"] = Field(
        default="samples", description="what those n are: made with these settings, or inverted, as `stages` says"
    )


class Capture(_Strict):
    """A capture point: where directions are added to h."""

    point: str = Field(
        description="a module's name, whose output h is; with :input after it, what that module is given"
    )
    shape: list[int] = Field(description="of h there, without the batch: (C, H, W) at most points")


class Direction(_Strict):
    """One direction; `directions.parquet` says more, `directions.safetensors` holds the vector under its name.

    The vector is float32 [T, *shape]. Of a direction at several points at once each has a vector, under `name@point`.
    """

    name: str
    method: str
    capture: str = Field(description="the capture point that it is added at; several at once have + between them")
    attribute: str | None = Field(description="null for an unsupervised direction")
    norm: float = Field(description="of the whole trajectory flattened")
    parents: list[str] | None = Field(description="of a projected direction: v_0 first, then what was projected away")
    target: str | None = Field(
        default=None,
        description="its attribute; of an unsupervised direction the one that it was measured to move most",
    )
    label: str | None = Field(
        default=None, description="what it was measured to do, in standard deviations; null where it was not"
    )
    strength_per_sd: float | None = Field(
        default=None,
        description="calibration: this times the vector moves the target by one standard deviation; null where it cannot",
    )
    strength_by: Literal["rise", "fall"] | None = Field(
        default=None,
        description="what was measured: the target rising at that strength, or, where it does not so far, falling at its opposite",
    )
    strength_in_range: bool | None = Field(
        default=None,
        description="whether images at about that strength were not seen to leave the model's own; null without one",
    )
    verified: bool | None = Field(
        default=None,
        description="whether strength_per_sd was verified on images, and corrected by what it did; null where nothing was measured",
    )
    valid_range: list[float] | None = Field(
        default=None,
        description="lowest and highest strength of the vector at which images were not seen to leave the model's own",
    )


class Evaluation(_Strict):
    """How the rows of effects.parquet and preservation.parquet with this index in `evaluation` were measured."""

    judges: list[str] = Field(
        description="the networks that scored; they labelled nothing that these directions are fitted on, unless allowed to"
    )
    allowed: list[str] = Field(
        default=[],
        description="of the judges, those that were allowed to judge directions that are fitted on their labels",
    )
    directions: list[str] = Field(description="what was measured, without the random ones")
    strengths: list[float] | None = Field(
        description="what the directions were multiplied by, in the order of `strength_index`; null where each has its own, "
        "which effects.parquet says"
    )
    n: int = Field(description="held-out samples an edit and seed")
    seeds: int = Field(default=1, description="draws of n held-out samples")
    controls: int = Field(description="random directions among those measured")
    control: int | None = Field(
        default=None,
        description="index of the evaluation whose random directions these are compared with, too; null where there is none",
    )
    embedder: str | None = Field(
        default=None, description="in whose features identity and precision were measured; null where they were not"
    )
    foreground: str | None = Field(
        default=None, description="the region outside which changes were measured; null where none was"
    )


class LeftOut(_Strict):
    """What was asked for and could not be had."""

    what: Literal["attribute", "region"]
    name: str
    why: str = Field(description="the numbers that say why")


class Catalog(_Strict):
    """The whole file."""

    schema_version: Literal[5, 6] = Field(
        default=6,
        description="of this file and of all others, which have it in their metadata; 5 is without selection samples, p-values, "
        "expected cosines and samplers, and is read, too",
    )
    model: ModelCard
    sampling: Sampling
    captures: list[Capture] = Field(description="every capture point that a direction of this catalog is added at")
    directions: list[Direction]
    evaluations: list[Evaluation]
    recommended: dict[str, str] = Field(
        default={},
        description="by attribute the name of the direction to use; none of an attribute that was not measured",
    )
    recommended_by: str = Field(default="", description="the rule by which those were chosen, in words")
    left_out: list[LeftOut] = Field(
        default=[], description="attributes and regions that there are no directions of, and why"
    )
    notes: list[str] = Field(default=[], description="what is to be known of all directions of this catalog")
    stages: list[dict[str, Any]] = Field(description="every stage behind this catalog, with its settings, in order")

    def shape_of(self, direction: Direction) -> list[int]:
        """The shape of h where a direction is added, without the batch; of several points the numbers of all together."""
        shapes = {each.point: each.shape for each in self.captures}
        found = [shapes[point] for point in direction.capture.split("+")]
        return found[0] if len(found) == 1 else [sum(map(prod, found))]


def main() -> None:
    SCHEMA_FILE.write_text(json.dumps(Catalog.model_json_schema(), indent=2) + "\n")


if __name__ == "__main__":
    main()
