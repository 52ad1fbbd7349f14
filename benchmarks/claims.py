"""The paper's claims, measured on the bundled model: `python -m benchmarks.claims [--quick]`.

For each claim of Haas et al. 2024 that can be put into a number: what the paper says, what was measured here, with intervals (95 %
unless stated), whether it holds, and for one that does not what was tested of the cause. Effects are by the judge, in standard
deviations of the attribute over samples; T = 16, eta = 1 and seed 0 unless stated. Bars are in `_claims`, beside what is measured:
constants in capitals. Strengths that are chosen are chosen on samples that nothing is reported of.
"""

import sys
import tempfile
import time
from math import isfinite
from pathlib import Path

from benchmarks._claims.asyrp import asyrp
from benchmarks._claims.bench import FULL, QUICK, Bench, Claim
from benchmarks._claims.examples import examples
from benchmarks._claims.hspace import adding, swapping
from benchmarks._claims.masked import masked
from benchmarks._claims.offsets import components, offsets
from benchmarks._claims.table import transfer_and_table
from benchmarks._report import verdict
from pipeline.engine.pool import InProcess, kept_open
from pipeline.engine.ray_pool import RayPool

MEASURES = (components, offsets, swapping, transfer_and_table, adding, examples, asyrp, masked)
UNTESTED = "The cause was not tested."


def main() -> int:
    size = QUICK if "--quick" in sys.argv[1:] else FULL
    claims: list[Claim] = []
    pool = kept_open(InProcess if size is QUICK else RayPool)
    with tempfile.TemporaryDirectory(prefix="hspace-") as folder, pool as open_pool:
        bench = Bench(size, Path(folder), open_pool=open_pool)
        for measure in MEASURES:
            began = time.monotonic()
            found = list(measure(bench))
            claims += found
            print(f"{measure.__name__}: {time.monotonic() - began:.0f} s")
            for each in found:
                print(f"  {'holds' if each.holds else 'DOES NOT HOLD'}: {each.claim}: {each.measured}", flush=True)
                if not each.holds:
                    print(f"    {each.why or UNTESTED}", flush=True)
    print(markdown(claims))
    held = sum(claim.holds for claim in claims)
    measured = {name: float(figure) for claim in claims for name, figure in claim.figures.items() if isfinite(figure)}
    return verdict("claims", {"claims": len(claims), "hold": held, **measured}, {"hold": (">=", len(claims))})


def markdown(claims: list[Claim]) -> str:
    """The claims as a table of Markdown, one row a claim."""
    rows = [
        (
            each.claim,
            each.paper,
            each.measured,
            "yes" if each.holds else "**no**",
            "" if each.holds else each.why or UNTESTED,
        )
        for each in claims
    ]
    head = [("claim", "the paper", "measured", "holds", "if not, why"), ("---",) * 5]
    return "\n".join(f"| {' | '.join(escaped(cell) for cell in row)} |" for row in [*head, *rows])


def escaped(text: str) -> str:
    """Without what would end a cell."""
    return text.replace("|", r"\|")


if __name__ == "__main__":
    sys.exit(main())
