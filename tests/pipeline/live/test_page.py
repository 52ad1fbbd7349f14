"""The page in a browser: sliders, pictures, the keyboard, light and dark, a phone, and no request to any other machine."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from pipeline.live.guard import Guard
from pipeline.live.server import Live
from tests.browser import DESKTOP, PHONE, Visit, chromium, needs_chromium
from tests.pipeline.live.serving import LONG, Gated, Running, running

pytestmark = needs_chromium
DONE = "body[data-state=done]"
SLIDER = "[data-name='smile/ridge/disentangled'] input"


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with chromium() as found:
        yield found


class LiveVisit(Visit):
    """The live page of a server. A request that a newer one replaces is ended by the page."""

    gives_up = True

    def __init__(self, browser, server: Running, size=DESKTOP, dark: bool = False):
        super().__init__(browser, f"http://127.0.0.1:{server.port}", size, dark)

    def open(self, state: str = "", waits_for: str = DONE) -> "LiveVisit":
        self.page.goto(f"{self.home}/live.html{state}")
        self.page.wait_for_selector(waits_for)
        return self

    def says(self, text: str) -> None:
        """Wait until its line of state says so."""
        self.page.locator("#status", has_text=text).wait_for()

    def pictures(self) -> list[str]:
        return self.page.eval_on_selector_all("#pictures img", "images => images.map(each => each.src)")

    def press(self, selector: str, *keys: str) -> None:
        """Press keys on something, and wait until the pictures of that are there."""
        self.page.focus(selector)
        for key in keys:
            self.page.keyboard.press(key)
        self.page.wait_for_selector(DONE)

    def close(self) -> None:
        """Close it; nothing may have gone wrong on it."""
        self.page.context.close()
        assert not self.faults


@pytest.fixture
def visit(browser, server) -> Iterator[LiveVisit]:
    found = LiveVisit(browser, server)
    yield found
    found.close()


def test_a_slider_that_is_moved_by_keyboard_changes_the_pictures(visit):
    visit.open("#seed=3&samples=2")
    before = visit.pictures()
    assert len(before) == 4 and before[0::2] == before[1::2], "nothing is changed yet"
    visit.press(SLIDER, *["ArrowRight"] * 15)
    assert visit.page.input_value(SLIDER) == "1.5"
    after = visit.pictures()
    assert after[0::2] == before[0::2] and all(a != b for a, b in zip(after[1::2], before[1::2], strict=True))
    assert all(each.startswith("data:image/png") for each in after), "the finished ones"
    assert visit.page.get_attribute(SLIDER, "aria-valuetext") == "+1.5 standard deviations"
    assert "Smile +1.5: finished in" in visit.page.inner_text("#status")
    visit.press("#reset", "Enter")
    assert visit.pictures() == before


def test_a_link_brings_back_what_was_set(visit, browser, server):
    visit.open("#seed=3&samples=2")
    visit.press(SLIDER, "End")
    visit.page.click("#new-seeds")
    visit.page.wait_for_selector(DONE)
    again = LiveVisit(browser, server).open("#" + urlsplit(visit.page.url).fragment)
    assert (
        again.page.input_value(SLIDER) == "2"
        and again.page.input_value("#seed") == visit.page.input_value("#seed") != "3"
    )
    assert again.pictures() == visit.pictures()
    again.close()


def test_a_link_that_asks_for_what_is_not_there_says_so(visit):
    visit.open("#seed=-1&samples=5&d=nobody:1&d=glasses/ridge:99")
    said = visit.page.inner_text("#status")
    assert "a seed that is none" in said and "the direction nobody" in said and "left out" in said
    assert len(visit.pictures()) == 8


def test_another_direction_is_found_added_and_removed(visit):
    visit.open()
    visit.page.click("#more summary")
    visit.page.fill("#search", "nothing like it")
    assert "No other direction" in visit.page.inner_text("#found-more")
    visit.page.fill("#search", "smile ridge")
    visit.page.click("#found button")
    added = "[data-name='smile/ridge'] input"
    visit.press(added, "ArrowLeft")
    assert visit.page.input_value(added) == "-0.1"
    visit.page.click("[data-name='smile/ridge'] button[title=Remove]")
    visit.page.wait_for_selector(DONE)
    assert visit.page.query_selector(added) is None and visit.pictures()[0::2] == visit.pictures()[1::2]


def test_what_lies_beyond_what_was_measured_is_said(visit):
    visit.open()
    visit.press(SLIDER, "End")
    assert "were not measured to be the model's own" in visit.page.inner_text("[data-name='smile/ridge/disentangled']")
    assert "Few samples wear them." in visit.page.inner_text("[data-name='glasses/ridge']")


def test_what_is_set_is_copied(visit):
    visit.open("#seed=5&samples=1")
    visit.page.click("#copy-json")
    visit.says("no edit to copy")
    visit.press(SLIDER, "ArrowRight")
    visit.page.click("#copy-python")
    visit.page.wait_for_selector("#copied-text:visible")
    text = visit.page.input_value("#copied-text")
    assert "strengths = {'smile/ridge/disentangled': 0.1}" in text and "seed=5, n=1" in text


def test_pictures_are_seen_before_they_are_finished_and_a_line_says_its_length(
    browser, catalog, applier, pages, source
):
    gated = Gated(applier)
    with running(Live(catalog, pages, source, gated)) as server:
        first = LiveVisit(browser, server).open("#samples=1", "body[data-state=busy]")
        gated.wait(lambda: gated.steps_taken == [0])
        second = LiveVisit(browser, server).open("#samples=1&seed=9", "body[data-state=busy]")
        second.says("One other is ahead of you")
        gated.gate.release(2)
        first.page.wait_for_selector("#pictures img[src^='data:image/jpeg']")
        assert 0 < first.page.eval_on_selector("#progress", "bar => bar.value") < 1
        gated.gate.release(6)
        for each in (first, second):
            each.page.wait_for_selector(DONE)
            each.close()


def test_while_a_slider_moves_each_request_is_left_until_it_has_shown_something(
    browser, catalog, applier, pages, source
):
    gated = Gated(applier)
    gated.gate.release(4)
    with running(Live(catalog, pages, source, gated)) as server:
        found = LiveVisit(browser, server).open("#samples=1")
        found.page.focus(SLIDER)
        for _ in range(5):
            found.page.keyboard.press("ArrowRight")
        gated.wait(lambda: gated.steps_taken == [4, 0])
        gated.gate.release(2)  # of four, after which it is recognisable
        gated.wait(lambda: gated.steps_taken == [4, 2])
        turns = server.live.turns
        with turns._changed:
            assert turns._changed.wait_for(lambda: turns.waiting, timeout=LONG), "the newest is asked for"
        gated.gate.release(1 + 4)  # the step that is under way, and the newest request
        found.page.wait_for_selector(DONE)
        assert gated.steps_taken == [4, 3, 4], "of five moves the first and the last"
        found.says("Smile +0.5: finished")
        found.close()


def test_who_opens_the_address_with_the_token_stays_in_without_it(browser, catalog, applier, pages, source):
    with running(Live(catalog, pages, source, applier, guard=Guard("t" * 43))) as server:
        found = LiveVisit(browser, server)
        found.page.goto(f"http://127.0.0.1:{server.port}/live.html?token={'t' * 43}")
        found.page.wait_for_selector(DONE)
        assert urlsplit(found.page.url).query == ""
        assert found.page.evaluate("() => document.cookie") == "", "no script reads it"
        found.press(SLIDER, "End")
        assert len(found.pictures()) == 8
        found.close()


def test_a_server_that_is_gone_is_said_in_a_sentence(browser, catalog, applier, pages, source):
    with running(Live(catalog, pages, source, applier)) as server:
        found = LiveVisit(browser, server).open()
    found.page.focus(SLIDER)
    found.page.keyboard.press("ArrowRight")
    found.page.wait_for_selector("body[data-state=failed]")
    found.says("The server cannot be reached.")
    found.page.context.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_everybody_can_use_it(browser, server, size, dark):
    found = LiveVisit(browser, server, size, dark)
    found.open("#samples=4")
    found.page.click("#more summary")
    found.page.click("#copy-python")
    found.page.wait_for_selector("#copied-text:visible")
    assert not found.grave()
    assert not found.scrolls_sideways()
    found.close()


def test_without_a_model_it_says_why(browser, catalog, pages, source):
    with running(Live(catalog, pages, source, None, "The model is elsewhere.")) as server:
        found = LiveVisit(browser, server).open("", "[role=alert]")
        assert re.search(
            "No pictures can be made here.\\s+The model is elsewhere.", found.page.inner_text("[role=alert]")
        )
        found.close()
