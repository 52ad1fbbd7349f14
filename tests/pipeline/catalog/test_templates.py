import pytest
from jinja2 import UndefinedError

from pipeline.catalog import templates
from pipeline.catalog.templates import amount, percent, render, signed, strength, times, words


def test_numbers_have_a_true_minus_and_a_dash_where_there_is_none():
    assert [signed(-1.234), signed(0.001), signed(2.0, 1), signed(float("inf"))] == ["−1.23", "0.00", "+2.0", "–"]
    assert [amount(1.25, 1), amount(float("nan")), amount(None)] == ["1.2", "–", "–"]
    assert [percent(0.624), percent(float("nan")), percent(None)] == ["62%", "–", "–"]
    assert [percent(-0.031), percent(-0.001)] == ["−3%", "0%"]
    assert [strength(-0.5), strength(2.0)] == ["−0.5", "+2"]
    assert [times(3.21), times(-1.5), times(float("nan"))] == ["3.2×", "−1.5×", "–"]


def test_names_become_words():
    assert [words("eyes_open"), words("mean-difference")] == ["eyes open", "mean difference"]


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Renders what is written as a template of that name."""

    def render_text(name: str, source: str, **facts: object) -> str:
        (tmp_path / name).write_text(source)
        return render(name, **facts)

    monkeypatch.setattr(templates, "HERE", tmp_path)
    templates._environment.cache_clear()
    yield render_text
    templates._environment.cache_clear()


def test_text_is_escaped_in_html_and_not_in_markdown(written):
    assert written("page.html.j2", "{{ text }}", text="<b>") == "&lt;b&gt;"
    assert written("card.md.j2", "{{ text }}", text="<b>") == "<b>"


def test_a_fact_that_is_not_there_is_an_error(written):
    with pytest.raises(UndefinedError, match="misspelt"):
        written("page.html.j2", "{{ facts.misspelt }}", facts={"spelt": 1})
