"""A root in a bucket, seen by other means than the store's: counted, and fetched whole to be looked at as a folder."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks._servers import BUCKET, Server


def objects(server: Server, folder: str) -> Iterator[dict[str, Any]]:
    """Yield every object below a folder of the bucket."""
    pages = server.client().get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=BUCKET, Prefix=f"{folder}/"):
        yield from page.get("Contents", ())


def count_records(server: Server, folder: str) -> int:
    names = (each["Key"].removeprefix(f"{folder}/").split("/") for each in objects(server, folder))
    return sum(len(name) == 2 and name[1][0].isdigit() and name[1].endswith(".json") for name in names)


def fetched(server: Server, folder: str, into: Path) -> Path:
    """Return a copy of all that lies below a folder of the bucket."""
    shutil.rmtree(into, ignore_errors=True)
    client = server.client()
    for each in objects(server, folder):
        path = into / each["Key"].removeprefix(f"{folder}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(client.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read())
    return into


def forget(server: Server, folder: str) -> None:
    """Remove all that lies below a folder of the bucket."""
    client = server.client()
    for each in list(objects(server, folder)):
        client.delete_object(Bucket=BUCKET, Key=each["Key"])
