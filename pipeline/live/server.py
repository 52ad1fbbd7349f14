"""The server: a catalog's pages from a folder, and the live page, whose pictures come line by line while they are made.

GET  /...             the pages of the catalog, from a folder
GET  /live.html       the page with the sliders
POST /live/pictures   what a page wants (`Wanted`) -> JSON, a line an event, the last of which is done, replaced or failed
POST /live/python     the same -> what is set, as Python and as JSON
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from socket import socket

from aiohttp import web

from pipeline.catalog.direction_catalog import DirectionCatalog
from pipeline.errors import UserError
from pipeline.live.as_python import Source, as_json, as_python
from pipeline.live.controls import Controls
from pipeline.live.guard import Guard, add_headers, refusal
from pipeline.live.page import ASSETS, page
from pipeline.live.studio import Event, PictureOrder, Studio
from pipeline.live.turns import LineIsFull, Turns
from pipeline.live.wanted import Wanted
from pipeline.recipes.applied import Applier

LARGEST_REQUEST = 16 * 1024  # bytes
PATIENCE = 10.0  # seconds for a request to arrive
LAST = ("done", "replaced", "failed")


@dataclass
class Live:
    """What the server serves: a catalog, its pages, and its model where that is there."""

    catalog: DirectionCatalog
    folder: Path  # of the pages
    source: Source
    applier: Applier | None
    missing: str = ""  # why there is no model
    guard: Guard = field(default_factory=Guard)

    def __post_init__(self) -> None:
        self.controls = Controls.of(self.catalog)
        self.turns = Turns(Studio(self.applier).make) if self.applier else None

    def app(self) -> web.Application:
        """The application, as aiohttp runs it."""
        app = web.Application(middlewares=[self.guard.checked], client_max_size=LARGEST_REQUEST)
        app.router.add_get("/", self._index)
        app.router.add_get("/live.html", self._page)
        app.router.add_post("/live/pictures", self._pictures)
        app.router.add_post("/live/python", self._python)
        app.router.add_static("/live", ASSETS)
        app.router.add_static("/", self.folder)
        app.on_response_prepare.append(add_headers)
        app.on_cleanup.append(self._close)
        return app

    async def _index(self, request: web.Request) -> web.StreamResponse:
        index = self.folder / "index.html"
        if not index.is_file():
            raise web.HTTPFound("/live.html")
        return web.FileResponse(index)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        text = page(self.catalog, self.controls, self.folder, self.missing)
        return web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-cache"})

    async def _python(self, request: web.Request) -> web.StreamResponse:
        try:
            _, order = await self._ordered(request)
            python = as_python(self.source, order, self.catalog.about.sampling.steps)
            return web.json_response(
                {"python": python, "json": as_json(self.catalog, order) if order.strengths else ""}
            )
        except UserError as error:
            return refusal(400, str(error))

    async def _pictures(self, request: web.Request) -> web.StreamResponse:
        if self.turns is None:
            return refusal(503, self.missing)
        told: asyncio.Queue[Event] = asyncio.Queue()
        try:
            wanted, order = await self._ordered(request)
            turn = self.turns.ask(wanted.page, order, partial(_tell, asyncio.get_running_loop(), told))
        except LineIsFull as error:
            return refusal(503, str(error))
        except UserError as error:
            return refusal(400, str(error))
        try:
            answer = web.StreamResponse(headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"})
            await answer.prepare(request)
            while True:
                event = await told.get()
                await answer.write(json.dumps(event).encode() + b"\n")
                if event["kind"] in LAST:
                    break
            await answer.write_eof()
        except ConnectionError:  # nobody looks any longer
            pass
        finally:
            self.turns.leave(turn)
        return answer

    async def _ordered(self, request: web.Request) -> tuple[Wanted, PictureOrder]:
        """What a page wants. Raises UserError where it cannot have it."""
        if request.content_type != "application/json":  # what a form of another site cannot send without asking
            raise UserError(f"A request is JSON, and this is {request.content_type}. Send it as application/json.")
        try:
            body = await asyncio.wait_for(request.read(), PATIENCE)
        except TimeoutError as error:
            raise UserError(f"The request did not arrive within {PATIENCE:g} seconds. Send it again.") from error
        wanted = Wanted.from_json(body)
        strengths = self.controls.checked(wanted.strengths)
        return wanted, PictureOrder(wanted.seed, wanted.samples, tuple(strengths.items()))

    async def _close(self, app: web.Application) -> None:
        if self.turns:
            await asyncio.to_thread(self.turns.close)


@asynccontextmanager
async def served(live: Live, listening: socket) -> AsyncIterator[None]:
    """Serve inside the block, on a socket that listens. What is under way when it ends is ended."""
    runner = web.AppRunner(live.app(), handler_cancellation=True, shutdown_timeout=1.0, access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        yield
    finally:
        await runner.cleanup()


def _tell(loop: asyncio.AbstractEventLoop, told: "asyncio.Queue[Event]", event: Event) -> None:
    """Hand an event over to the thread of the server, which may have ended."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(told.put_nowait, event)
