"""EditSelection: edits that something is chosen by, of samples that nothing else sees."""

from dataclasses import dataclass
from typing import ClassVar

from pipeline.stages.measures.edit import Edit
from pipeline.stages.sources.sample_ids import SELECTED


@dataclass(frozen=True)
class EditSelection(Edit):
    """As `Edit`, of samples of its own: what is chosen by these is reported on others."""

    ids: ClassVar[range] = SELECTED
