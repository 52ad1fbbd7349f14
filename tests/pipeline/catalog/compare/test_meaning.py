"""What a direction is of stands in its columns: its name may be anything."""

from pipeline.catalog.compare.meaning import Meaning
from tests.pipeline.catalog.planted_findings import component, single, supervised


def test_a_name_says_nothing():
    row = supervised("smile", "ridge")
    assert Meaning.of({**row, "name": "age/mean-difference/disentangled"}) == Meaning.of(row)
    assert Meaning.of(row) == ("ridge", "smile", None, "mid_block", "")


def test_directions_of_another_method_attribute_region_point_or_variant_mean_something_else():
    rows = [
        supervised("smile", "ridge"),
        supervised("age", "ridge"),
        supervised("smile", "mean-difference"),
        supervised("smile", "ridge", capture="up_blocks.0"),
        supervised("smile", "ridge", True, projected_by="joint"),
        supervised("smile", "ridge", True, projected_by="step"),
        supervised("smile", "ridge", True, projected_by="joint", trials=[]),
        component(0),
        single("mouth", 0),
        single("image", 0),
    ]
    assert len({Meaning.of(row) for row in rows}) == len(rows)
    assert Meaning.of(component(0)) == Meaning.of(component(1))
    assert [Meaning.of(row).supervised for row in (rows[0], component(0))] == [True, False]
