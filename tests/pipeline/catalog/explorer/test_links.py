"""An address is safe, and no two directions have the same one."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog.explorer.links import Links

NAMES = ["smile/ridge", "smile-ridge", "CON", "../x", 'a<b & "c"/ridge']


def test_a_page_lies_among_the_others_by_its_file():
    links = Links(NAMES[:1])
    assert (links.file("smile/ridge"), links.page("smile/ridge")) == ("smile-ridge", "directions/smile-ridge.html")


def test_names_that_look_alike_or_are_no_files_have_pages_of_their_own():
    pages = [Links(NAMES).page(name) for name in NAMES]
    assert len({each.casefold() for each in pages}) == len(NAMES)
    assert all(each.count("/") == 1 and ".." not in each and not set(each) & set('<>&"# ') for each in pages)


def test_a_strength_is_in_the_address_as_it_was_measured():
    at = Links(NAMES).at
    assert [at(NAMES[2], each).partition("#")[2] for each in (-2.0, 0.5, 1 / 3)] == [
        *("strength=-2", "strength=0.5", "strength=0.333333")
    ]
    assert at("CON", -2.0).startswith(Links(NAMES).page("CON"))


@given(st.floats(-1000, 1000, width=32))
def test_a_strength_that_is_read_from_an_address_is_the_one_that_was_meant(strength):
    found = float(Links(NAMES).at("CON", strength).partition("#strength=")[2])
    assert abs(found - strength) <= 1e-5 * abs(strength)
