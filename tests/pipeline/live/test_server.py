"""The server over HTTP: what it serves, what it makes, and what it refuses."""

import base64
import json

import pytest

from pipeline.formats.images import png
from pipeline.live.server import LARGEST_REQUEST, Live
from tests.parsed import parse
from tests.pipeline.live.serving import LONG, Gated, running, wanted

NAME = "smile/ridge/disentangled"


def pngs(event: dict) -> list[bytes]:
    return [base64.b64decode(each.removeprefix("data:image/png;base64,")) for each in event["pictures"]]


def test_the_pictures_that_come_last_are_those_of_the_applier_to_the_bit(server, applier):
    *events, last = server.pictures({NAME: 1.5, "glasses/ridge": -1.0})
    assert last == {"kind": "done"} and events[0] == {"kind": "waiting", "ahead": 0}
    pictures = [each for each in events if each["kind"] == "pictures"]
    assert [(each["edited"], each["step"]) for each in pictures] == [
        (e, s) for e in (False, True) for s in (1, 2, 3, 4)
    ]
    expected = applier.to_samples({"glasses/ridge": -1.0, NAME: 1.5}, seed=3, n=2)
    assert pngs(pictures[3]) == [png(image) for image in expected.unedited]
    assert pngs(pictures[7]) == [png(image) for image in expected.edited]


def test_a_newer_request_ends_the_older_within_a_step(catalog, applier, pages, source):
    gated = Gated(applier)
    with running(Live(catalog, pages, source, gated)) as server:
        older = server.pictures({NAME: 1.0})
        gated.gate.release()
        assert [next(older)["kind"] for _ in range(2)] == ["waiting", "pictures"]
        gated.wait(lambda: gated.steps_taken == [1])
        newer = server.pictures({NAME: 2.0})
        assert [*older] == [{"kind": "replaced"}]
        gated.gate.release()
        gated.wait(lambda: gated.ended == 1)
        assert gated.steps_taken[0] == 2, "the step that was under way, and none after it"
        gated.gate.release(8)
        assert [*newer][-1] == {"kind": "done"}


def test_two_visitors_take_turns(catalog, applier, pages, source):
    gated = Gated(applier)
    with running(Live(catalog, pages, source, gated)) as server:
        first = server.pictures(page="first")
        assert next(first) == {"kind": "waiting", "ahead": 0}
        second = server.pictures(page="second", seed=4)
        assert next(second) == {"kind": "waiting", "ahead": 1}
        gated.gate.release(4)
        assert [*first][-1] == {"kind": "done"}
        assert next(second) == {"kind": "waiting", "ahead": 0}
        gated.gate.release(4)
        assert [*second][-1] == {"kind": "done"}


def test_who_goes_away_is_not_worked_for(catalog, applier, pages, source):
    gated = Gated(applier)
    with running(Live(catalog, pages, source, gated)) as server:
        answer = server.ask("POST", "/live/pictures", wanted())
        assert json.loads(answer.readline())["kind"] == "waiting"
        gated.wait(lambda: gated.steps_taken == [0])
        turn = server.live.turns.running
        answer.close()
        with server.live.turns._changed:
            assert server.live.turns._changed.wait_for(lambda: turn.given_up, timeout=LONG)
        gated.gate.release()
        gated.wait(lambda: gated.ended == 1)
        assert gated.steps_taken == [1], "the step that was under way, and none after it"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (wanted({NAME: 2.1}), 400, "can be set from -2 to 2 standard deviations"),
        (wanted({"smlie": 1.0}), 400, "no direction 'smlie'"),
        (wanted(samples=9), 400, "samples"),
        (b"{", 400, "no request for pictures"),
        (b" " * (LARGEST_REQUEST + 1), 413, "larger than any"),
    ],
)
def test_what_cannot_be_made_is_refused_in_a_sentence(server, body, status, said):
    for path in ("/live/pictures", "/live/python"):
        answer = server.ask("POST", path, body)
        assert answer.status == status
        told = json.loads(answer.read())
        assert told["kind"] == "failed" and said in told["said"]


def test_the_pages_of_the_catalog_are_served(server):
    assert b"The catalog" in server.ask("GET", "/").read()
    assert b"Smile" in server.ask("GET", "/directions/smile.html").read()
    assert server.ask("GET", "/directions/other.html").status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/directions/../../secret.txt",
        "/directions/..%5c..%5csecret.txt",
        "//secret.txt",
        "/link.txt",
        "/live/../live.html.j2",
        "/live/..%2fserver.py",
        "/directions/",
        "/%00",
    ],
)
def test_no_path_leads_out_of_the_folder(server, path):
    answer = server.ask("GET", path)
    assert answer.status in (400, 403, 404) and b"secret" not in answer.read()


def test_without_a_model_the_pages_are_served_and_the_live_one_says_why(catalog, pages, source):
    with running(Live(catalog, pages, source, None, 'No model "x" <b>here</b>.')) as server:
        assert server.ask("GET", "/").status == 200
        document = parse(server.ask("GET", "/live.html").read().decode())
        assert 'No model "x" <b>here</b>.' in document.one("div", role="alert").text
        answer = server.ask("POST", "/live/pictures", wanted())
        assert answer.status == 503 and json.loads(answer.read())["said"] == 'No model "x" <b>here</b>.'


def test_without_pages_the_live_one_is_the_first(catalog, tmp_path, source):
    with running(Live(catalog, tmp_path, source, None, "No model.")) as server:
        answer = server.ask("GET", "/")
        assert answer.status == 302 and answer.getheader("Location") == "/live.html"
