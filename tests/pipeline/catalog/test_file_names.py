"""Whatever a direction is called, its file has a name that every system takes, and is nobody else's."""

import re
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog.file_names import file_names, in_one_line

ANY = st.text(st.characters(), max_size=200)


def test_a_usual_name_is_readable():
    assert file_names(["smile/ridge/disentangled", "age/ridge@mid_block"]) == {
        "smile/ridge/disentangled": "smile-ridge-disentangled",
        "age/ridge@mid_block": "age-ridge@mid_block",
    }


@given(st.sets(ANY, max_size=12))
def test_every_name_is_safe_and_distinct(names):
    found = file_names(names)
    assert found.keys() == names
    assert len({each.casefold() for each in found.values()}) == len(names)
    for each in found.values():
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+@-]{0,99}", each) and not each.endswith(".")
        assert each.split(".")[0].lower() not in {"con", "nul", "aux", "prn", "com1", "lpt9"}


def test_names_that_become_alike_are_told_apart_whatever_their_order():
    names = ["a/b", "a-b", "A-B", "a b"]
    assert len({tuple(sorted(file_names(order).items())) for order in permutations(names)}) == 1
    assert len(set(map(str.casefold, file_names(names).values()))) == 4


def test_a_name_cannot_take_the_place_of_another_with_its_hash():
    taken = file_names(["a/b", "a-b"])["a/b"]
    found = file_names(["a/b", "a-b", taken])
    assert len(set(found.values())) == 3


@given(ANY)
def test_a_text_stays_in_its_line(text):
    assert len(in_one_line(text).splitlines()) <= 1 and in_one_line(text).isprintable()
