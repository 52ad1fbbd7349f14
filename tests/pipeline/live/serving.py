"""A live server in a thread of this process, and requests to it over HTTP. Imported by name."""

import asyncio
import http.client
import json
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.live.listening import listen
from pipeline.live.server import Live, served
from pipeline.recipes.applied import Applier

LONG = 60.0  # seconds that nothing takes


@dataclass
class Gated:
    """An applier whose every step waits until it is let pass."""

    applier: Applier
    gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    steps_taken: list[int] = field(default_factory=list)  # of each run
    changed: threading.Condition = field(default_factory=threading.Condition)
    ended: int = 0  # runs

    @property
    def steps(self) -> int:
        return self.applier.steps

    @property
    def catalog(self) -> Any:
        return self.applier.catalog

    def followed(self, strengths: Mapping[str, float], seed: int, n: int = 1) -> Generator[Callable[[], np.ndarray]]:
        mine = len(self.steps_taken)
        self._note(lambda: self.steps_taken.append(0))
        try:
            for images in self.applier.followed(strengths, seed, n):
                assert self.gate.acquire(timeout=LONG)
                self._note(lambda: self.steps_taken.__setitem__(mine, self.steps_taken[mine] + 1))
                yield images
        finally:
            self._note(lambda: setattr(self, "ended", self.ended + 1))

    def wait(self, until: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(until, timeout=LONG)

    def _note(self, change: Callable[[], None]) -> None:
        with self.changed:
            change()
            self.changed.notify_all()


@dataclass
class Running:
    """A server that runs."""

    port: int
    live: Live

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> http.client.HTTPResponse:
        """Return the answer to a request, whose body is still to be read. A header that is None is not sent."""
        sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        given = {
            "Host": f"127.0.0.1:{self.port}",
            "Content-Type": "application/json" if sent else None,
            **(headers or {}),
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONG)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in given.items():
            if value is not None:
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(sent or b"")))
        connection.endheaders(sent)
        return connection.getresponse()

    def pictures(self, strengths: Mapping[str, float] | None = None, page: str = "a", **more: Any) -> Iterator[dict]:
        """The events of a request for pictures, as they come."""
        answer = self.ask("POST", "/live/pictures", wanted(strengths, page, **more))
        assert answer.status == 200, answer.read()
        return map(json.loads, iter(answer.readline, b""))


def wanted(strengths: Mapping[str, float] | None = None, page: str = "a", **more: Any) -> dict[str, Any]:
    """A request for pictures, as a page sends it."""
    return {"page": page, "seed": 3, "samples": 2, "strengths": dict(strengths or {}), **more}


@contextmanager
def running(live: Live) -> Iterator[Running]:
    """Serve inside the block, on a free port."""
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    listening = listen("127.0.0.1", 0)

    async def serve() -> None:
        async with served(live, listening):
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(LONG)
        yield Running(listening.getsockname()[1], live)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(LONG)
        loop.close()
