"""Where a direction's page lies: names of files that are safe on every system."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from pipeline.catalog.file_names import file_names


@dataclass(frozen=True)
class Links:
    """The directions of a catalog, by name."""

    names: Collection[str]

    def file(self, name: str) -> str:
        """The name of a direction's files, without an ending."""
        return self._files[name]

    def page(self, name: str) -> str:
        """The address of its page, from the top of the explorer."""
        return f"directions/{self.file(name)}.html"

    def at(self, name: str, strength: float) -> str:
        """The address of its pictures at a strength."""
        return f"{self.page(name)}#strength={strength:.6g}"

    @cached_property
    def _files(self) -> dict[str, str]:
        return file_names(self.names)
