"""What a root may be, and the filesystem behind it.

    runs/mine   ~/runs   file:///data/runs                  a folder: of a local disk, NFS and what else is mounted
    s3://BUCKET/FOLDER   gs://BUCKET/FOLDER   az://CONTAINER/FOLDER     object stores; S3 is also what answers at AWS_ENDPOINT_URL
    memory://NAME                                           this process's memory, for trying things out

Credentials come from the environment, as every tool of the cloud finds them: they are in no setting, record or fingerprint.
"""

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipeline.engine.disk import Disk
from pipeline.engine.filesystem import Filesystem
from pipeline.errors import UserError

OBJECT_STORES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "memory")


def opened(root: str | Path) -> Filesystem:
    """The filesystem of a root. Nothing is opened or created yet. Raises UserError for a scheme that is not known."""
    return _opened(str(root))


@cache
def _opened(root: str) -> Filesystem:
    return _at(normal(root))


@cache
def _at(address: str) -> Filesystem:
    if is_local(address):
        return Disk(Path(address))
    from pipeline.engine.bucket import Bucket  # obstore is loaded where it is needed

    return Bucket(address)


def normal(root: str | Path) -> str:
    """A root as a path of this machine, absolute or not as it was given, or as the URL of a folder in an object store."""
    text = str(root)
    if not (found := re.match(r"([A-Za-z][A-Za-z0-9+.-]*):/", text)):
        if (scheme := text.partition(":")[0].lower()) in ("file", *OBJECT_STORES) and ":" in text:
            raise UserError(
                f"{text} is neither a folder nor {scheme}://, with two slashes: give one of them as `root`."
            )
        return str(Path(text).expanduser())
    scheme = found[1].lower()
    if scheme != "file" and not text[len(found[0]) :].startswith("/"):
        text = f"{scheme}://{text[len(found[0]) :]}"  # where a path was made of it, two slashes became one
    parts, text = urlsplit(text), without_secrets(text)
    if scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise UserError(f"{text} names the machine {parts.hostname}: expected file:///FOLDER, with three slashes.")
        return unquote(parts.path) or "/"
    if scheme not in OBJECT_STORES:
        raise UserError(
            f"{text} begins with {scheme}://, which is no place that is known.\n"
            "Give `root` as a folder, or as s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or az://CONTAINER/FOLDER."
        )
    if parts.query or parts.fragment or ("@" in parts.netloc and scheme not in ("abfs", "abfss")):
        raise UserError(
            f"{scheme}://{parts.hostname}{parts.path} is given with more than a bucket and a folder.\n"
            "Give `root` as a bucket and a folder alone; credentials and regions come from the environment."
        )
    if not parts.netloc:
        raise UserError(f"{text} names no bucket: expected {scheme}://BUCKET/FOLDER.")
    path = re.sub("/+", "/", parts.path).strip("/")
    return f"{scheme}://{parts.netloc}/{path}".rstrip("/")


def without_secrets(text: str) -> str:
    """A text without what may be secret in the URLs in it: a password before a machine's name, and all behind a question mark."""
    return re.sub(r"([A-Za-z][A-Za-z0-9+.-]*:/{1,2})(?:[^/?\s]*:[^/?\s]*@)?([^?\s]*)(?:\?\S*)?", r"\1\2", text)


def is_local(root: str | Path) -> bool:
    """Whether a root is a folder of this machine's disks."""
    return "://" not in normal(root)
