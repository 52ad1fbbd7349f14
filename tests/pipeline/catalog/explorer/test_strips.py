from dataclasses import replace

from pipeline.catalog.explorer.measured import Measured
from pipeline.catalog.explorer.strips import in_order, strip
from schemas.edits import UNEDITED
from tests.pipeline.catalog.planted_findings import planted, signed_picture

NAME = "smile/ridge"


def measured(n: int = 3) -> Measured:
    return planted(image=signed_picture, n=n).measured[0]


def test_strengths_rise_with_the_unedited_one_among_them():
    assert in_order(measured(), NAME, (3, 0)) == [(-2.0, 0), (0.0, UNEDITED), (2.0, 3)]
    assert in_order(measured(), NAME, (2, 3)) == [(0.0, UNEDITED), (1.0, 2), (2.0, 3)]
    assert in_order(measured(), NAME, ()) == [(0.0, UNEDITED)]


def test_an_image_is_that_of_its_sample_and_strength():
    shown = strip(measured(), NAME, (0, 2))
    assert shown.strengths == (-2.0, 0.0, 1.0)
    assert shown.rows == tuple(
        (signed_picture(NAME, -2.0, i), signed_picture("unedited", 0.0, i), signed_picture(NAME, 1.0, i))
        for i in range(3)
    )


def test_no_more_samples_are_shown_than_are_asked_for_or_there():
    assert [len(strip(measured(), NAME, (0,), n).rows) for n in (1, 2, 9, None)] == [1, 2, 3, 3]


def test_where_there_is_no_image_there_is_none_and_without_any_no_row():
    every = measured()
    some = {key: images[:1] if key == (NAME, 0) else images for key, images in every.images.items()}
    some.pop((NAME, 2))
    rows = strip(replace(every, images=some), NAME, (0, 2)).rows
    assert [[image is not None for image in row] for row in rows] == [[True, True, False], *[[False, True, False]] * 2]
    assert strip(replace(every, images={}), NAME, (0, 2)).rows == ()
