"""The explorer as a person has it: opened from disk in Chromium, by pointer and by keyboard, wide and narrow, light and dark."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.catalog.explorer.site import pages, write
from tests.browser import DESKTOP, PHONE, Visit, chromium, needs_chromium
from tests.pipeline.catalog.planted_findings import NASTY, carriage, choice, of_single_images, planted

pytestmark = needs_chromium
SMILE = "directions/smile-ridge-disentangled.html"
MOUTH = "directions/mouth-0-jacobian.html"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """An explorer with every section."""
    found = replace(of_single_images(), carriage=carriage(), choice=choice())
    rows = [{**row, "split_half_cosine": 0.9} if row["attribute"] else row for row in found.directions]
    used = {"smile": "smile/ridge/disentangled", "age": "age/ridge/disentangled"}
    about = found.catalog.model_copy(update={"recommended": used, "notes": ["Something to be known."]})
    made = tmp_path_factory.mktemp("explorer")
    write(replace(found, directions=rows, catalog=about), made)
    return made


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture
def visit(browser, folder):
    """A window, in which nothing may go wrong."""
    found = Visit(browser, folder.as_uri())
    yield found
    assert not found.faults
    found.page.context.close()


def texts(page, selector: str) -> list[str]:
    return [each.strip() for each in page.locator(selector).all_text_contents()]


def test_the_slider_moves_the_pictures_and_every_figure_by_keyboard_too(visit):
    page = visit.open(f"{SMILE}#strength=-2")
    page.locator("input[type=range]").focus()
    seen = {}
    for _ in range(5):
        moves = texts(page, ".moves .target td")
        seen[page.locator("output").text_content()] = (
            page.locator(".samples img").nth(1).get_attribute("src"),
            moves[-1],
        )
        page.keyboard.press("ArrowRight")
    assert list(seen) == ["−2", "−1", "0, unedited", "+1", "+2"]
    assert len({image for image, _ in seen.values()}) == 5, "another picture at each strength"
    assert [moves.split(" ")[0] for _, moves in seen.values()] == ["−2.40", "−1.20", "0.00", "+1.20", "+2.40"]
    unedited = page.locator(".samples img").nth(0).get_attribute("src")
    assert seen["0, unedited"][0] == unedited
    assert page.url.endswith("#strength=2"), "the address has what is shown"


def test_the_lines_to_copy_follow_the_slider(visit):
    page = visit.open(f"{SMILE}#strength=1")
    assert '{"smile/ridge/disentangled": 1.41}' in page.locator("pre code").text_content(), (
        "1 / 0.71 standard deviations"
    )
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()


def test_an_address_leads_to_a_strength_and_a_cell_of_the_matrix_to_its_pictures(visit):
    page = visit.open("effects.html")
    page.locator("#effects td.cell a").first.click()
    page.wait_for_url("**/directions/*.html#strength=*")
    page.locator(".samples img").first.wait_for()
    strength = float(page.url.split("=")[1])
    assert page.locator("output").text_content().replace("−", "-").lstrip("+") == f"{strength:g}"


def test_the_sample_that_a_direction_was_found_on_comes_first(visit):
    page = visit.open(MOUTH)
    assert texts(page, ".samples figcaption")[:2] == ["the sample it was found on", "sample 1"]


def test_filters_filter_and_the_address_keeps_them(visit):
    page = visit.open("directions.html")
    cards = page.locator(".card:visible")
    every = cards.count()
    page.get_by_label("Attribute").select_option("smile")
    page.wait_for_function(f"document.querySelectorAll('.card:not([hidden])').length < {every}")
    assert {card.get_attribute("data-target") for card in cards.all()} == {"smile"}
    page.get_by_label("Anything else, at most").fill("0.5")
    page.wait_for_function(
        "[...document.querySelectorAll('.card:not([hidden])')].every((c) => Number(c.dataset.off) <= 0.5)"
    )
    kept = cards.count()
    assert 0 < kept < every and f"{kept} of {every}" in page.get_by_role("status").text_content()
    page.reload()
    page.wait_for_function(f"document.querySelectorAll('.card:not([hidden])').length == {kept}")
    page.get_by_role("button", name="Clear").click()
    page.wait_for_function(f"document.querySelectorAll('.card:not([hidden])').length == {every}")
    page.get_by_label("recommended only").check()
    page.wait_for_function("document.querySelectorAll('.card:not([hidden])').length == 2")


def test_sorting_puts_the_largest_effect_first(visit):
    page = visit.open("directions.html")
    page.get_by_label("Sort by").select_option("on")
    page.wait_for_function("location.hash.includes('sort=on')")
    effects = [abs(float(card.get_attribute("data-on") or 0)) for card in page.locator(".card").all()]
    assert effects == sorted(effects, reverse=True) and effects[0] > effects[-1]


def test_two_directions_stand_side_by_side_each_with_its_slider(visit):
    page = visit.open("compare.html#smile-ridge&age-ridge")
    page.locator(".samples img").first.wait_for()
    first, second = page.locator(".sides > section").all()
    assert first.locator("select").first.input_value() == "smile-ridge"
    second.locator("select").first.select_option("mouth-0-jacobian")
    page.wait_for_function("location.hash.includes('mouth-0-jacobian')")
    before = first.locator("output").text_content()
    slider = second.get_by_role("slider")
    slider.focus()
    slider.press("Home")
    assert second.locator("output").text_content() == "−4" and first.locator("output").text_content() == before
    assert "mouth-0/jacobian" in second.locator(".chart").get_attribute("aria-label")


def test_charts_are_drawn_and_fit_their_place(browser, folder):
    for size in (DESKTOP, PHONE):
        visit = Visit(browser, folder.as_uri(), size)
        page = visit.open("method.html")
        page.locator(".chart svg").last.wait_for()
        assert page.locator(".chart").count() == page.locator(".chart svg").count() == 4
        for chart in page.locator(".chart").all():
            box = chart.bounding_box()
            assert box["x"] + box["width"] <= size[0] and chart.locator("svg").bounding_box()["height"] >= 190
        visit.page.context.close()


@pytest.mark.parametrize("size, dark", [(DESKTOP, False), (PHONE, True)], ids=["desktop, light", "phone, dark"])
def test_no_page_has_a_serious_fault_or_scrolls_sideways(browser, folder, size, dark):
    visit = Visit(browser, folder.as_uri(), size, dark)
    for name in (
        "index.html",
        "directions.html",
        "effects.html",
        "method.html",
        "about.html",
        "compare.html",
        SMILE,
        MOUTH,
    ):
        visit.open(name)
        assert not visit.grave(), name
        assert not visit.scrolls_sideways(), name
        assert visit.first_paint() < 2000, name
    assert not visit.faults
    visit.page.context.close()


def test_every_link_opens(visit, folder):
    """As the browser resolves addresses."""
    seen: set[str] = set()
    for name in ("index.html", "directions.html", "effects.html", SMILE):
        page = visit.open(name)
        seen |= set(page.evaluate("[...document.querySelectorAll('a[href]')].map((a) => a.href.split('#')[0])"))
    assert len(seen) > 10
    for address in seen:
        assert address.startswith(folder.as_uri()) and Path(address.removeprefix("file://")).is_file(), address


def test_it_works_from_a_web_server_that_allows_no_evaluation(browser, folder):
    """With the strictest policy that such pages can have: nothing inline, nothing evaluated, nothing from elsewhere."""
    visit = Visit(browser, "http://explorer.test")
    policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"

    def served(route) -> None:
        path = folder / route.request.url.removeprefix("http://explorer.test/").split("#")[0]
        route.fulfill(path=path, headers={"Content-Security-Policy": policy})

    visit.page.route("**/*", served)
    page = visit.open(SMILE)
    page.locator(".samples img").first.wait_for()
    page.locator(".viewer .chart svg").wait_for()
    assert not visit.faults
    visit.page.context.close()


def test_a_name_that_is_markup_is_shown_as_it_is(browser, tmp_path):
    evil = "<img src=x onerror=document.title='run'></script><script>document.title='run'</script>"
    found = planted(wanted=(NASTY, evil), judged=(NASTY, evil))
    write(found, tmp_path)
    visit = Visit(browser, tmp_path.as_uri())
    for name in pages(found):
        if name.endswith(".html"):
            page = visit.open(name)
            assert page.title() != "run"
    assert not visit.faults
    visit.page.context.close()
