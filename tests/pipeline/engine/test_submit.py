"""The job server as a client sees it: one that is stood in for, which breaks connections, wants a token, and refuses."""

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from pipeline.engine import submit
from pipeline.engine.submit import AGAIN, JobServer
from pipeline.errors import UserError

TOKEN = "0" * 64
LOGS = [f"line {n}\n" for n in range(10)]


@dataclass
class Server:
    """What Ray's job server answers, planted."""

    wants_token: bool = True
    breaks: list[int] = field(default_factory=list)  # after how many lines the next connections for logs break
    status: str = "SUCCEEDED"
    exit_code: int | None = 0
    asked: list[Any] = field(default_factory=list)
    address: str = ""

    async def version(self, request: web.Request) -> web.Response:
        return web.json_response({"ray_version": "2.60.0", "version": "4", "ray_commit": "", "session_name": ""})

    async def jobs(self, request: web.Request) -> web.Response:
        return self._guarded(request) or web.json_response([])

    async def submit(self, request: web.Request) -> web.Response:
        if refused := self._guarded(request):
            return refused
        self.asked.append(await request.json())
        return web.json_response({"job_id": "x", "submission_id": self.asked[-1]["submission_id"]})

    async def package(self, request: web.Request) -> web.Response:
        return web.Response(status=200)  # it is there already

    async def job(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name == "unknown":
            return web.Response(status=404, text=f"Job {name} does not exist")
        details = {
            "type": "SUBMISSION",
            "submission_id": name,
            "status": self.status,
            "entrypoint": "python",
            "message": "It ended, last available logs (truncated to 20,000 chars):\nline 9",
            "metadata": {"root": "s3://bucket/run"},
            "driver_exit_code": self.exit_code,
        }
        return self._guarded(request) or web.json_response(details)

    async def tail(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        limit = self.breaks.pop(0) if self.breaks else None
        for line in LOGS[:limit]:
            await socket.send_str(line)
        if limit is not None:
            assert request.transport
            request.transport.abort()
        else:
            await socket.close()
        return socket

    def _guarded(self, request: web.Request) -> web.Response | None:
        if self.wants_token and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401, text="Unauthorized: Missing authentication token")
        return None


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    planted = Server()
    app = web.Application()
    app.add_routes([
        web.get("/api/version", planted.version),
        web.get("/api/jobs/", planted.jobs),
        web.post("/api/jobs/", planted.submit),
        web.get("/api/jobs/{name}", planted.job),
        web.get("/api/jobs/{name}/logs/tail", planted.tail),
        web.get("/api/packages/{protocol}/{name}", planted.package),
    ])  # fmt: skip
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app)
    loop.run_until_complete(runner.setup())
    site = web.TCPSite(runner, "127.0.0.1", 0)
    loop.run_until_complete(site.start())
    planted.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield planted
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(30)
    loop.close()


def followed(server: Server) -> tuple[str, Any]:
    shown: list[str] = []
    ended = JobServer(server.address).follow("a", shown.append)
    return "".join(shown), ended


def test_logs_are_shown_whole_and_the_end_is_told(server):
    server.status, server.exit_code = "FAILED", 2
    shown, ended = followed(server)
    assert shown == "".join(LOGS)
    assert (ended.status, ended.exit_code, ended.message) == ("FAILED", 2, "It ended")
    assert ended.metadata == {"root": "s3://bucket/run"}


def test_logs_go_on_where_their_connection_broke(server):
    server.breaks = [3, 3, 7, 0]
    shown, _ = followed(server)
    assert shown == "".join(LOGS)


def test_a_connection_that_always_breaks_is_given_up_and_the_job_is_said_to_go_on(server):
    server.breaks, server.status = [4] * (AGAIN + 3), "RUNNING"
    with pytest.raises(UserError, match="cannot be followed any longer"):
        followed(server)
    assert len(server.breaks) == 1, "as often as was said, and once for what was shown"


def test_a_server_that_is_away_for_a_while_is_waited_for(server, monkeypatch):
    server.breaks = [3, 0]
    shown, ended = followed_by_way_of(server, monkeypatch, away=3)
    assert shown == "".join(LOGS) and ended.status == "SUCCEEDED"


def test_a_server_that_stays_away_ends_the_following_and_not_the_job(server, monkeypatch):
    server.breaks = [3] * (AGAIN + 3)
    with pytest.raises(UserError, match="No job server answers(.|\n)*The job is not stopped by that"):
        followed_by_way_of(server, monkeypatch, away=AGAIN + 3)


def followed_by_way_of(server: Server, monkeypatch, away: int) -> tuple[str, Any]:
    """Follow a job whose server cannot be asked how it is, so many times."""
    asked, silent = JobServer.job, iter(range(away))

    def job(self: JobServer, name: str) -> Any:
        if next(silent, None) is not None:
            raise UserError("No job server answers at this address.")
        return asked(self, name)

    monkeypatch.setattr(JobServer, "job", job)
    monkeypatch.setattr(submit, "PAUSE", 0.001)
    return followed(server)


def test_a_job_is_sent_with_what_it_brings_and_only_the_variables_that_are_named(server, tmp_path):
    (tmp_path / "code.py").write_text("x = 1\n")
    name = JobServer(server.address).submit("python code.py", tmp_path, "mine", {"A": "1"}, {"root": "r"})
    assert name == "mine"
    [asked] = server.asked
    assert asked["entrypoint"] == "python code.py"
    assert asked["runtime_env"]["env_vars"] == {"A": "1"}
    assert asked["runtime_env"]["working_dir"].startswith("gcs://_ray_pkg_")
    assert asked["metadata"] == {"root": "r"}
    assert TOKEN not in json.dumps(asked)


def test_another_cluster_in_the_environment_is_not_gone_to(server, monkeypatch):
    """Ray lets these override the address that it is given."""
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")
    assert JobServer(server.address).job("a").status == "SUCCEEDED"
    import os

    assert os.environ["RAY_ADDRESS"] == "127.0.0.1:1", "the environment is as it was"
    assert "RAY_AUTH_MODE" not in os.environ


def test_a_wrong_token_is_explained(server, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "1" * 64)
    with pytest.raises(UserError, match="does not take this token.*\n.*auth_token"):
        JobServer(server.address).jobs()


def test_a_server_that_asks_for_no_token_is_refused_unless_that_is_said(server, monkeypatch):
    server.wants_token = False
    with pytest.raises(UserError, match="takes orders from whoever reaches it"):
        JobServer(server.address)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert JobServer(server.address).jobs() == []


def test_where_no_server_answers_that_is_said(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "1" * 64)
    with pytest.raises(UserError, match="No job server answers at http://127.0.0.1:9"):
        JobServer("http://127.0.0.1:9")


@pytest.mark.parametrize("address", ["auto", "127.0.0.1:6379", "ray://head:10001"])
def test_an_address_that_is_no_job_servers_is_refused(address):
    with pytest.raises(UserError, match="expected that of the job server"):
        JobServer(address)


def test_a_job_that_is_not_known_is_said_to_be_so(server):
    with pytest.raises(UserError, match="knows no job unknown"):
        JobServer(server.address).job("unknown")


def test_nothing_is_said_beside_what_the_job_prints(server, tmp_path, capfd):
    logging.getLogger("ray.dashboard.modules.job.sdk").setLevel(logging.INFO)
    (tmp_path / "code.py").write_text("")
    JobServer(server.address).submit("true", Path(tmp_path), "mine", {}, {})
    followed(server)
    assert capfd.readouterr() == ("", "")
