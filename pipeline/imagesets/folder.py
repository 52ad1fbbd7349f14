"""A folder of image files: each file is one image, and its path below the folder its name."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pipeline.errors import UserError
from pipeline.imagesets.encoded import Encoded


@dataclass(frozen=True)
class Folder:
    """A folder of image files, in the order of their paths."""

    what: ClassVar[str] = "image"
    suffixes: ClassVar[tuple[str, ...]] = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
    file_is_set: ClassVar[bool] = False

    def pieces(self, files: list[Path], root: Path) -> list["ImageFile"]:
        """Return a piece a file."""
        return [ImageFile(path, path.relative_to(root).as_posix()) for path in files]


@dataclass(frozen=True)
class ImageFile:
    """A file that holds one image."""

    path: Path
    name: str

    def __len__(self) -> int:
        return 1

    def read(self, rows: range) -> Iterator[Encoded]:
        try:
            yield Encoded(self.name, str(self.path), self.path.read_bytes())
        except OSError as error:
            raise UserError(
                f"{self.path} cannot be read ({error.strerror}). Make it readable, or remove it."
            ) from error
