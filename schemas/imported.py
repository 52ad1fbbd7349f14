"""Directions from outside, described: what a file of `imported` says, and what of it goes into a run.

The vectors lie in files beside the description: `.npy`, `.npz`, `.safetensors`, or `.pt` and `.pth` with tensors alone.
"""

from pydantic import BaseModel, ConfigDict, Field


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImportedDirection(_Strict):
    """One direction, and where its vector is."""

    name: str = Field(description="what it is called; a catalog calls it NAME/METHOD")
    attribute: str | None = Field(
        default=None, description="what it is meant to raise; null for one that is described by what it moves"
    )
    file: str = Field(description="file beside the description")
    key: str | None = Field(default=None, description="of its arrays, where the file holds several")
    row: int | None = Field(default=None, description="of that array, as in a table of components; null is all of it")


class ImportedDirections(_Strict):
    """The whole description. A vector has the shape of h at its capture point, or the numbers of it in C order."""

    weights_sha256: str | None = Field(
        default=None,
        description="of the weights of the U-Net that they were found in, which is checked where it is given",
    )
    method: str = Field(default="imported", description="how they were found, in a word")
    capture: str = Field(default="mid_block", description="the capture point that they are added at")
    timesteps: list[int] | None = Field(
        default=None,
        description="the timesteps of the vectors, which are then the first axis; a step of the run takes the nearest. Null where "
        "one vector is added at every step",
    )
    directions: list[ImportedDirection] = Field(min_length=1, max_length=1000)
