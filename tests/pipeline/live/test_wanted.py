"""What a page may ask for, and a sentence for anything else."""

import json

import pytest

from pipeline.errors import UserError
from pipeline.live.wanted import Wanted
from tests.pipeline.live.serving import wanted


def test_what_a_page_sends_is_read():
    found = Wanted.from_json(json.dumps(wanted({"smile": 1, "age": -0.5})).encode())
    assert (found.seed, found.samples, found.strengths) == (3, 2, {"smile": 1.0, "age": -0.5})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"samples": 9}, "samples: .*less than or equal to 8"),
        ({"samples": 0}, "samples"),
        ({"samples": True}, "samples"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"seed": "3"}, "seed"),
        ({"page": "a b"}, "page"),
        ({"page": "a" * 65}, "page"),
        ({"page": "a\n"}, "page"),
        ({"strengths": {"smile": "1"}}, "strengths.smile"),
        ({"strengths": {str(i): 1.0 for i in range(17)}}, "strengths"),
        ({"more": 1}, "more"),
    ],
)
def test_anything_else_is_refused_by_name(changed, said):
    with pytest.raises(UserError, match=f"no request for pictures: {said}"):
        Wanted.from_json(json.dumps({**wanted(), **changed}).encode())


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{", b"\xff", b'{"page": "a", "seed": 1, "samples": 1, "strengths": {"a": NaN}}']
)
def test_what_is_no_json_of_that_kind_is_refused(text):
    with pytest.raises(UserError, match="Expected JSON with page, seed"):
        Wanted.from_json(text)
