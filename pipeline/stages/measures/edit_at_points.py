"""EditAtPoints: edits that capture points are chosen by, of samples that nothing else sees."""

from dataclasses import dataclass
from typing import ClassVar

from pipeline.stages.measures.edit import Edit
from pipeline.stages.sources.sample_ids import PLACED


@dataclass(frozen=True)
class EditAtPoints(Edit):
    """As `Edit`, of samples of its own, and not those that strengths are chosen on later: a point was chosen for what they show."""

    ids: ClassVar[range] = PLACED
