"""Selection: what adding strength * direction to h changes on the samples that strengths are chosen on, as effects.parquet has it.

No sample is in both tables, so that what effects.parquet says of the chosen strength was not chosen for being large there.
"""

from schemas.effects import EFFECTS

SELECTION = EFFECTS
