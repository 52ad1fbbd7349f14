"""What is said of each part of samples on its own: part i reads part i, as soon as it is there."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.engine.stage import Need, Stage, one
from pipeline.fingerprint import PART_BY_PART
from pipeline.stages.sources.source import Source


@dataclass(frozen=True)
class ByPart(Stage):
    """A stage with a part for each part of the samples, of the same name."""

    sample: Source = field(metadata=PART_BY_PART)

    @property
    def n_parts(self) -> int:
        return self.sample.n_parts

    def part_name(self, part: int) -> str:
        return self.sample.part_name(part)

    def needs(self, part: int) -> Iterator[Need]:
        yield one(self.sample, part)
