"""A proxy before an S3 server of this machine that hurts what passes, at given rates and by a seed, and counts what it did.

    with moto() as server, faulty(server, {"reset": 0.05, "lost answer": 0.02}, seed=1) as proxy:
        os.environ.update(proxy.server.environment())
        ...
        print(proxy.struck)

What it does is what networks and servers do: it leaves no request half understood, and invents no bytes.
"""

import random
import re
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks._servers import Server

ANY = {
    "reset": "the connection is reset before the request reaches the server",
    "500": "an answer 500, and the server knows of nothing",
    "503": "an answer 503, as of a server that wants fewer requests",
    "slow": "the answer comes late, and in pieces",
}
READS = {"cut answer": "half of the answer, and then the connection is reset"}
UPLOADS = {"cut upload": "half of the request reaches the server, and both connections are reset"}
WRITES = {
    "lost answer": "the server does what it was asked; the connection is reset before its answer arrives",
    "500 after": "the server does what it was asked, and the answer is 500 nevertheless",
}
KINDS = ANY | READS | UPLOADS | WRITES

_OWN_TO_A_CONNECTION = ("connection", "keep-alive", "transfer-encoding", "expect", "content-length", "date", "server")


class Proxy(ThreadingHTTPServer):
    """Listens on a free port of the loopback interface. `rates` and `only` may be changed while it runs."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, target: Server, rates: Mapping[str, float], seed: int = 0, delay: float = 0.3):
        if unknown := set(rates) - set(KINDS):
            raise ValueError(f"There is no fault {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}.")
        super().__init__(("127.0.0.1", 0), _Relay)
        self.target = target
        self.server = target.behind(self.server_address[1])
        self.rates = dict(rates)  # fault -> share of the requests that it can strike
        self.only = ""  # a pattern of "METHOD /path"; others pass unhurt
        self.after = 0  # so many requests that could be struck pass first
        self.at_most: int | None = None  # faults altogether
        self.delay = delay  # seconds that a slow answer takes longer
        self.struck: Counter[str] = Counter()
        self.passed: Counter[str] = Counter()  # bytes of answers, by method
        self.asked: deque[str] = deque(maxlen=10_000)  # "METHOD /path" of the last requests
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def fault(self, method: str, path: str, uploads: bool) -> str | None:
        """Return what strikes this request, if anything, and count it."""
        kinds = [*ANY, *(READS if method == "GET" else ())]
        kinds += [*(UPLOADS if uploads else ()), *(WRITES if method in ("PUT", "POST", "DELETE") else ())]
        with self._lock:
            self.asked.append(f"{method} {path}")
            drawn = self._random.random()
            if self.at_most is not None and self.struck.total() >= self.at_most:
                return None
            if not re.search(self.only, f"{method} {path}"):
                return None
            for kind in kinds:
                drawn -= self.rates.get(kind, 0.0)
                if drawn < 0:
                    if self.after:
                        self.after -= 1
                        return None
                    self.struck[kind] += 1
                    return kind
        return None

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away."""


class _Relay(BaseHTTPRequestHandler):
    """One connection of a client, and one of its own to the server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Proxy

    def setup(self) -> None:
        super().setup()
        self.upstream = HTTPConnection("127.0.0.1", self.server.target.port, timeout=60)

    def finish(self) -> None:
        self.upstream.close()
        super().finish()

    def relay(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.fault(self.command, self.path, uploads=len(body) > 1)
        if fault == "reset":
            return self.reset()
        if fault in ("500", "503"):
            return self.answer(int(fault), {}, _refusal(fault))
        if fault == "cut upload":
            self.send(body, whole=False)
            return self.reset()

        status, headers, content = self.send(body)
        if fault == "lost answer":
            return self.reset()
        if fault == "500 after":
            return self.answer(500, {}, _refusal("500"))
        self.server.passed[self.command] += len(content)
        self.answer(status, headers, content, slow=fault == "slow", cut=fault == "cut answer")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = relay

    def send(self, body: bytes, whole: bool = True) -> tuple[int, dict[str, str], bytes]:
        """Return the server's answer; a request that is cut has none."""
        try:
            return self._send(body, whole)
        except (OSError, HTTPException):  # the server has closed a connection that had been idle
            self.upstream.close()
            return self._send(body, whole)

    def _send(self, body: bytes, whole: bool) -> tuple[int, dict[str, str], bytes]:
        self.upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() != "expect":
                self.upstream.putheader(name, value)
        self.upstream.endheaders(body if whole else body[: len(body) // 2])
        if not whole:
            self.upstream.close()
            return 0, {}, b""
        answer: HTTPResponse = self.upstream.getresponse()
        content = answer.read()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in _OWN_TO_A_CONNECTION}
        if self.command == "HEAD" and (length := answer.getheader("Content-Length")):
            kept["Content-Length"] = length
        return answer.status, kept, content

    def answer(
        self, status: int, headers: Mapping[str, str], content: bytes, slow: bool = False, cut: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers and status not in (204, 304):
            self.send_header("Content-Length", str(len(content)))
        pieces = 4 if slow else 1
        if slow:
            time.sleep(self.server.delay / pieces)
        self.end_headers()
        if self.command == "HEAD":
            return
        if cut:
            self.wfile.write(content[: len(content) // 2])
            return self.reset()
        for i in range(pieces):
            self.wfile.write(content[len(content) * i // pieces : len(content) * (i + 1) // pieces])
            if slow and i < pieces - 1:
                time.sleep(self.server.delay / pieces)

    def reset(self) -> None:
        """End the connection with RST, as a machine that is gone does, not with a proper goodbye."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.rfile.close()
        self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing of each request."""


def _refusal(code: str) -> bytes:
    name = {"500": "InternalError", "503": "SlowDown"}[code]
    return f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{name}</Code></Error>'.encode()


@contextmanager
def faulty(target: Server, rates: Mapping[str, float], seed: int = 0, delay: float = 0.3) -> Iterator[Proxy]:
    """Run a proxy before a server until the block ends. Raises ValueError for a kind of fault that there is not."""
    with Proxy(target, rates, seed, delay) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
