"""The set-up of Haas et al. 2024: google/ddpm-ema-celebahq-256, T = 50, eta = 1. `python -m jobs.celebahq whole`, or `small`.

The paper's labels come from a network for CelebA's forty attributes: name yours as `--annotator`, and another one as `--judge`.
"""

from pathlib import Path
from typing import Any

from jobs.command_line import main
from jobs.directions import make_catalog
from jobs.options import options
from jobs.where import Where
from schemas.run import Run

SMALL = Run(
    model="google/ddpm-ema-celebahq-256", samples=1_000, steps=50, eta=1.0, components=25, capture=("mid_block",)
)
WHOLE = SMALL.model_copy(update={"samples": 50_000, "activations": False, "protocol": "paper"})


@options(root="runs/celebahq", defaults=WHOLE)
def whole(run: Path | None, given: dict[str, Any], where: Where) -> None:
    """Find directions in 50,000 samples, whose h is sketched, and measure them as Table I does."""
    make_catalog(run, given, where, WHOLE)


@options(root="runs/celebahq-small", defaults=SMALL)
def small(run: Path | None, given: dict[str, Any], where: Where) -> None:
    """Find directions in 1,000 samples, whose h is stored."""
    make_catalog(run, given, where, SMALL)


if __name__ == "__main__":
    main(whole, small)
