import base64

import pytest
from jinja2 import UndefinedError

from pipeline.catalog import templates
from pipeline.catalog.templates import (
    ASSETS,
    amount,
    asset,
    data_uri,
    number,
    percent,
    place,
    png_uri,
    render,
    signed,
    strength,
    times,
    words,
)


def test_numbers_have_a_true_minus_and_a_dash_where_there_is_none():
    assert [signed(-1.234), signed(0.001), signed(2.0, 1), signed(float("inf"))] == ["−1.23", "0.00", "+2.0", "–"]
    assert [amount(1.25, 1), amount(float("nan")), amount(None)] == ["1.2", "–", "–"]
    assert [percent(0.624), percent(float("nan")), percent(None)] == ["62%", "–", "–"]
    assert [percent(-0.031), percent(-0.001)] == ["−3%", "0%"]
    assert [strength(-0.5), strength(2.0)] == ["−0.5", "+2"]
    assert [times(3.21), times(-1.5), times(float("nan"))] == ["3.2×", "−1.5×", "–"]


def test_names_become_words():
    assert [words("eyes_open"), words("mean-difference")] == ["eyes open", "mean difference"]


@pytest.mark.parametrize(
    "name, said",
    [
        ("/models/small", "small"),
        ("/models/small/", "small"),
        ("./runs/a", "a"),
        ("../a", "a"),
        ("google/ddpm", "google/ddpm"),
        ("small", "small"),
    ],
)
def test_a_folder_goes_by_its_last_part_and_an_id_of_the_hub_as_it_is(name, said):
    assert place(name) == said


def test_scripts_read_numbers_as_such_and_nothing_where_there_is_none():
    assert [number(each) for each in (1.25, -0.5, 0.0, 1 / 3, 3)] == ["1.25", "-0.5", "0", "0.333333", "3"]
    assert [number(each) for each in (None, float("nan"), float("-inf"))] == [""] * 3
    assert float(number(1234567.8)) == pytest.approx(1234567.8, rel=1e-5)


@pytest.mark.parametrize("made, kind", [(data_uri, "jpeg"), (png_uri, "png")])
def test_pictures_are_in_their_address(made, kind):
    head, _, encoded = made(b"\xff<\x00").partition(",")
    assert head == f"data:image/{kind};base64" and base64.b64decode(encoded) == b"\xff<\x00"


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Renders what is written as a template of that name."""

    def render_text(name: str, source: str, **facts: object) -> str:
        (tmp_path / name).write_text(source)
        return render(name, **facts)

    monkeypatch.setattr(templates, "HERE", tmp_path)
    templates.environment.cache_clear()
    yield render_text
    templates.environment.cache_clear()


def test_text_is_escaped_in_html_and_not_in_markdown(written):
    assert written("page.html.j2", "{{ text }}", text="<b>") == "&lt;b&gt;"
    assert written("card.md.j2", "{{ text }}", text="<b>") == "<b>"


def test_a_fact_that_is_not_there_is_an_error(written):
    with pytest.raises(UndefinedError, match="misspelt"):
        written("page.html.j2", "{{ facts.misspelt }}", facts={"spelt": 1})


def test_what_draws_a_page_is_not_escaped_in_it_and_is_nobody_elses_text(written, monkeypatch, tmp_path):
    monkeypatch.setattr(templates, "ASSETS", tmp_path)
    (tmp_path / "ours.js").write_text("a < b && '−'", encoding="utf-8")
    assert written("page.html.j2", "{{ asset('ours.js') }}{{ text }}", text="<b>") == "a < b && '−'&lt;b&gt;"


def test_no_script_or_style_sheet_ends_the_element_that_it_stands_in():
    files = [path for path in ASSETS.rglob("*") if path.suffix in (".js", ".css")]
    assert len(files) >= 5
    for path in files:
        text = asset(str(path.relative_to(ASSETS)))
        assert not any(end in text.lower() for end in ("</script", "</style", "<!--")), path.name
