"""A run: every setting of a direction catalog, in one object. Command line and Python are spellings of it."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class Run(BaseModel):
    """What directions to find, in what, and how to measure them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = Field(
        default=None, description="Folder of a diffusers model, or its repository on the model hub."
    )
    annotator: str | None = Field(default=None, description="Who labels the samples that directions are fitted on.")
    samples: int = Field(default=896, description="Samples to find directions in.")
    images: Path | None = Field(
        default=None,
        description="Folder or Parquet of real images to find directions in, instead of in samples.",
    )
    steps: int = Field(default=16, description="T, steps of the reverse process.")
    eta: float = Field(default=1.0, description="0 = DDIM, 1 = DDPM.")
    seed: int = Field(default=0, description="Of the samples' noise.")
    attributes: str = Field(
        default="", description="What to find directions for, by commas; without, all that the annotator scores."
    )
    top: int = Field(default=128, description="Positives, and as many negatives, of an attribute (Eq. 11).")
    activations: bool = Field(
        default=True,
        description="Store h of every sample. Without, sampling workers keep sketches of it: megabytes, but fewer estimators.",
    )
    block: int = Field(default=2048, description="Samples that a worker sketches at a time.")
    components: int = Field(default=10, description="Principal components.")
    across: str = Field(
        default="per-step",
        description="How components of the steps belong together: per-step (the paper's), matched, or joint.",
    )
    jacobians: int = Field(
        default=8, description="Samples whose Jacobians give directions of single images; 0 leaves them out."
    )
    region: list[str] = Field(
        default=["image"],
        description="Where to look for what changes: image, box:LEFT,TOP,RIGHT,BOTTOM, an image file, or a region by name.",
    )
    foreground: str | None = Field(
        default=None,
        description="What an edit may change, named as regions are: the change of the rest is measured.",
    )
    held_out: int = Field(
        default=28,
        description="Held-out samples that edits are measured on: twice as many for the control, a quarter for the rest.",
    )
    protocol: str = Field(
        default="demo",
        description="What the supervised directions are measured on: demo, or paper: 100 samples of each of 10 seeds.",
    )
    judge: list[str] = Field(
        default=[], description="Who measures. Directions are named, calibrated and ranked by the first."
    )
    allow_judge: list[str] = Field(
        default=[], description="A judge that may measure directions fitted on its own scores."
    )
    facenet_weights: Path | None = Field(
        default=None, description="Weights of FaceNet, to measure identity by; without, features of a judge."
    )
    by_effects: bool = Field(
        default=False, description="Also project away only what each direction is measured to move beside its target."
    )
