"""Where a catalog lies: a folder, a repository of the model hub, or a bucket. Its files come as paths on this machine.

A catalog is what a stranger may have made, so no name leads out of its folder: neither by what it says nor by a link.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from pipeline.errors import UserError
from schemas.published import CATALOG_FILES

HOLDS = "catalog.json and SHA256SUMS, as a job publishes them"
EXAMPLE = "owner/name"


class CatalogPlace(Protocol):
    """Files by their names."""

    @property
    def address(self) -> str: ...

    def path(self, name: str, most: int | None = None) -> Path:
        """Return where a file lies on this machine. Raises UserError for one of more than `most` bytes, and OSError without one."""
        ...


def place(address: str | Path) -> CatalogPlace:
    """Return where the catalog lies that is called so: a folder, `owner/name[@revision]` of the hub, or `s3://bucket/folder`."""
    name = str(address)
    if Path(name).expanduser().is_dir():
        return CatalogFolder(Path(name).expanduser())
    return CatalogBucket(name.rstrip("/")) if "://" in name else _of_hub(name)


def is_inside(name: str) -> bool:
    """Whether a file of this name lies in the folder of its catalog."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and "\0" not in name


@dataclass(frozen=True)
class CatalogFolder:
    """A folder of this machine."""

    folder: Path
    within: Path | None = None  # where its links may lead; None is the folder itself
    called: str = ""  # elsewhere; "" is the folder's own path

    @property
    def address(self) -> str:
        return self.called or str(self.folder.absolute())

    def path(self, name: str, most: int | None = None) -> Path:
        path = self.folder / name
        if not path.resolve().is_relative_to((self.within or self.folder).resolve()):
            raise UserError(
                f"{path} is a link to {path.resolve()}, which lies outside of the catalog, so it is not read.\n"
                "Put the file itself in the place of the link, if it is yours."
            )
        _check_size(path, path.stat().st_size, most)
        return path


@dataclass(frozen=True)
class CatalogBucket:
    """A folder of a bucket, reached by obstore as the environment says. What is read is kept until nobody reads this catalog."""

    address: str

    def path(self, name: str, most: int | None = None) -> Path:
        here = Path(self._here.name) / name
        if here.exists():
            return here
        obstore, partial = self._obstore, here.with_name(f"{here.name}.partial")
        try:
            found = obstore.get(self._store, name)
            _check_size(f"{self.address}/{name}", found.meta["size"], most)
            partial.parent.mkdir(parents=True, exist_ok=True)
            with open(partial, "wb") as file:
                for chunk in found.stream():
                    file.write(chunk)
        except (obstore.exceptions.BaseError, OSError) as error:  # of a dozen kinds; all mean that it cannot be had
            raise OSError(None, str(error).splitlines()[0]) from error
        return partial.rename(here)

    @cached_property
    def _here(self) -> TemporaryDirectory[str]:
        return TemporaryDirectory(prefix="hspace-catalog-")

    @cached_property
    def _obstore(self) -> Any:
        try:
            import obstore
        except ImportError as error:
            raise UserError(
                f"{self.address} is an address in an object store, and obstore is not installed here.\n"
                "pip install obstore, or copy the catalog to this machine."
            ) from error
        return obstore

    @cached_property
    def _store(self) -> Any:
        import os

        http = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true", "yes")
        try:
            return self._obstore.store.from_url(self.address, client_options={"allow_http": http})
        except self._obstore.exceptions.BaseError as error:
            raise UserError(
                f"{self.address} is no address of a bucket that can be read ({str(error).splitlines()[0]}).\n"
                "Expected one such as s3://bucket/folder, with the credentials and the region in the environment."
            ) from error


def _of_hub(name: str) -> CatalogFolder:
    """A repository in the hub's cache, whose files are links to where the cache keeps them."""
    from pipeline.formats import hub

    found = hub.locate(name, hub.Sought("catalog", HOLDS, EXAMPLE, _wanted))
    return CatalogFolder(found.folder, found.folder.parents[1], f"{found.name}@{found.revision}")


def _wanted(listed: Iterable[str]) -> Iterable[str]:
    return {file.name for file in CATALOG_FILES} & set(listed)


def _check_size(what: object, size: int, most: int | None) -> None:
    if most is not None and size > most:
        raise UserError(f"{what} has {size:,} bytes; expected at most {most:,}. It is no such file of a catalog.")
