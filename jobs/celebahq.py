"""The set-up of Haas et al. 2024: google/ddpm-ema-celebahq-256, T = 50, eta = 1, found in 50,000 samples.

The paper's labels come from a network for CelebA's forty attributes; name yours with `--annotator`, and another one as `--judge`.
"""

from pathlib import Path
from typing import Any

from jobs.command_line import main
from jobs.directions import make_catalog
from jobs.options import options
from jobs.where import Where
from schemas.run import Run

MODEL = "google/ddpm-ema-celebahq-256"
WHOLE = Run(model=MODEL, samples=50_000, steps=50, eta=1.0, components=25, protocol="paper", activations=False)
SMALL = Run(model=MODEL, samples=1_000, steps=50, eta=1.0, components=25)
SIZE = "small: 1,000 samples with their activations, in an hour or so of one GPU; whole: the paper's 50,000."


@options(root="runs/celebahq", defaults=SMALL)
def celebahq(run: Path | None, given: dict[str, Any], where: Where) -> None:
    """Find directions of the model that the paper is about, in its set-up."""
    make_catalog(run, given, where, SMALL)


if __name__ == "__main__":
    main(celebahq)
