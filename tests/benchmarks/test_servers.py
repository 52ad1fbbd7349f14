"""The servers keep the promises of object storage that the store relies on, and end with their block."""

import random
from concurrent.futures import ThreadPoolExecutor

import obstore
import psutil
import pytest
from botocore.exceptions import EndpointConnectionError
from obstore.exceptions import AlreadyExistsError
from obstore.store import S3Store

from benchmarks._servers import BUCKET, moto


@pytest.fixture
def bucket(s3_root) -> S3Store:
    return S3Store.from_url(s3_root)


def content(bucket: S3Store, path: str) -> bytes:
    return bytes(obstore.get(bucket, path).bytes())


def test_a_put_that_creates_fails_where_there_is_an_object_and_leaves_it(bucket):
    obstore.put(bucket, "record", b"first", mode="create")
    with pytest.raises(AlreadyExistsError):
        obstore.put(bucket, "record", b"second", mode="create")
    assert content(bucket, "record") == b"first"
    obstore.put(bucket, "record", b"third")
    assert content(bucket, "record") == b"third"


def test_of_many_that_create_an_object_at_once_one_wins_and_its_bytes_stay(bucket):
    def create(racer: int) -> int | None:
        try:
            obstore.put(bucket, "record", b"%d" % racer, mode="create")
        except AlreadyExistsError:
            return None
        return racer

    with ThreadPoolExecutor(16) as pool:
        winners = [racer for racer in pool.map(create, range(16)) if racer is not None]
    assert [content(bucket, "record")] == [b"%d" % winner for winner in winners]


def test_ranges_and_suffixes_are_what_stands_there(bucket):
    data = random.Random(0).randbytes(200_000)
    obstore.put(bucket, "object", data)
    assert bytes(obstore.get_range(bucket, "object", start=70_000, end=140_000)) == data[70_000:140_000]
    several = obstore.get_ranges(bucket, "object", starts=[5, 100_000], ends=[15, 150_000])
    assert [bytes(each) for each in several] == [data[5:15], data[100_000:150_000]]
    assert bytes(obstore.get(bucket, "object", options={"range": {"suffix": 8}}).bytes()) == data[-8:]


def test_an_object_in_several_pieces_is_whole(bucket):
    data = random.Random(0).randbytes(12 * 2**20)
    obstore.put(bucket, "large", data, use_multipart=True, chunk_size=5 * 2**20)
    assert content(bucket, "large") == data
    assert (
        bytes(obstore.get_range(bucket, "large", start=5 * 2**20 - 3, end=5 * 2**20 + 3)) == data[5 * 2**20 - 3 :][:6]
    )


def test_a_folder_is_listed_without_what_lies_below(bucket):
    for path in ("stage/00000.json", "stage/00001.json", "stage/00000-ab/file", "other/file"):
        obstore.put(bucket, path, b"x")
    listed = obstore.list_with_delimiter(bucket, "stage")
    assert [each["path"] for each in listed["objects"]] == ["stage/00000.json", "stage/00001.json"]
    assert listed["common_prefixes"] == ["stage/00000-ab"]
    assert obstore.list_with_delimiter(bucket, "nothing") == {"common_prefixes": [], "objects": []}


def test_what_is_deleted_is_gone_and_what_is_missing_is_no_error_to_delete(bucket):
    for path in ("one", "two", "three"):
        obstore.put(bucket, path, b"x")
    obstore.delete(bucket, ["one", "three"])
    obstore.delete(bucket, "four")
    assert [each["path"] for batch in obstore.list(bucket) for each in batch] == ["two"]
    with pytest.raises(FileNotFoundError):
        obstore.get(bucket, "one")


def test_boto_sees_the_same_objects_and_a_server_ends_with_its_block():
    with moto() as server:
        bucket = S3Store(
            BUCKET,
            endpoint=server.endpoint,
            access_key_id=server.key,
            secret_access_key=server.secret,
            region="us-east-1",
            client_options={"allow_http": True},
        )
        obstore.put(bucket, "object", b"bytes")
        assert server.client().get_object(Bucket=BUCKET, Key="object")["Body"].read() == b"bytes"
        assert psutil.pid_exists(server.process)
    assert not psutil.pid_exists(server.process)
    with pytest.raises(EndpointConnectionError):
        server.client().list_buckets()
