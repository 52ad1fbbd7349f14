"""Who may ask: names, origins and tokens, asked of a server that runs."""

import http.client

import pytest

from pipeline.live.guard import Guard, is_loopback, new_token
from pipeline.live.server import Live
from tests.pipeline.live.serving import running, wanted

TOKEN = "t" * 43


def cookie_of(answer: http.client.HTTPResponse) -> str:
    return (answer.getheader("Set-Cookie") or "").partition(";")[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:9999", "[::1]:80", "LOCALHOST"])
def test_it_answers_to_the_names_of_this_machine_by_whatever_port(server, host):
    assert server.ask("GET", "/", headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "192.0.2.1", "", "["]
)
def test_a_name_that_a_stranger_has_led_here_is_refused(server, host):
    for method, path, body in (("GET", "/", None), ("POST", "/live/pictures", wanted())):
        answer = server.ask(method, path, body, {"Host": host})
        assert answer.status in (400, 403) and b"finished" not in answer.read()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},  # another port of this machine
    ],
)
def test_a_page_of_another_site_may_not_ask(server, headers):
    answer = server.ask("POST", "/live/pictures", wanted(), headers)
    assert answer.status == 403 and b"another site" in answer.read()
    assert server.ask("GET", "/live/live.js", headers=headers).status == 403


def test_a_link_from_another_site_is_followed_and_its_own_page_may_ask(server):
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert server.ask("GET", "/live.html", headers=followed).status == 200
    own = {"Origin": f"http://127.0.0.1:{server.port}", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    assert server.ask("POST", "/live/python", wanted(), own).status == 200


def test_a_form_of_another_site_cannot_ask_as_it_sends_no_json(server):
    answer = server.ask("POST", "/live/pictures", wanted(), {"Content-Type": "text/plain"})
    assert answer.status == 400 and b"Send it as application/json" in answer.read()


def test_every_answer_says_what_pages_may_do(server):
    for path in ("/", "/live.html", "/live/live.js", "/nothing"):
        answer = server.ask("GET", path)
        policy = answer.getheader("Content-Security-Policy") or ""
        assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= {*policy.split("; ")}, path
        assert answer.getheader("X-Content-Type-Options") == "nosniff", path


def test_with_a_token_nothing_is_answered_without_it(catalog, pages, source):
    live = Live(catalog, pages, source, None, "No model.", Guard(TOKEN))
    with running(live) as server:
        anywhere = {"Host": "gpu.example:8765"}
        for method, path, body in (
            ("GET", "/", None),
            ("GET", "/live.html", None),
            ("POST", "/live/pictures", wanted()),
        ):
            for more in ({}, {"Cookie": f"{live.guard.cookie}=wrong"}, {"Cookie": "token=" + TOKEN}):
                answer = server.ask(method, path, body, anywhere | more)
                assert answer.status == 401 and b"asks for its token" in answer.read()
        for given in ("wrong", TOKEN[:-1], TOKEN + "t", "", "%ff"):
            assert server.ask("GET", f"/?token={given}", headers=anywhere).status == 401
        came = server.ask("GET", f"/live.html?token={TOKEN}", headers=anywhere)
        assert came.status == 200
        attributes = {part.strip().lower() for part in (came.getheader("Set-Cookie") or "").split(";")[1:]}
        assert {"httponly", "samesite=strict", "path=/"} <= attributes
        page = came.read().decode()
        assert 'content="0; url=/live.html"' in page and TOKEN not in page
        elsewhere = server.ask("GET", f"//evil.example/?token={TOKEN}", headers=anywhere).read().decode()
        assert 'content="0; url=/evil.example/"' in elsewhere, "of this server"
        inside = anywhere | {"Cookie": cookie_of(came)}
        assert server.ask("GET", "/live.html", headers=inside).status == 200
        assert server.ask("POST", "/live/pictures", wanted(), inside).status == 503, "there is no model"
        assert server.ask("POST", "/live/pictures", wanted(), inside | {"Origin": "http://evil.example"}).status == 403


def test_only_this_machine_needs_no_token():
    assert all(map(is_loopback, ("127.0.0.1", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.0.2", "gpu.example", "")))
    assert len({new_token() for _ in range(100)}) == 100 and len(new_token()) >= 43
