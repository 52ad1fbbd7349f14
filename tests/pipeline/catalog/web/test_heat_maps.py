import pytest

from pipeline.catalog.explorer.links import Links
from pipeline.catalog.web.heat_maps import HeatMap, limit_for
from tests.pipeline.catalog.planted_findings import at_points, planted, section


def test_colours_are_symmetric_and_end_at_the_limit():
    shares = [HeatMap((), (), 3.0).share(value) for value in (1.5, -1.5, 99.0, float("nan"))]
    assert shares == [0.5, 0.5, 1.0, 0.0]


def test_a_scale_reaches_the_largest_value_within_bounds():
    assert [limit_for(values) for values in ([1.7, -2.2], [0.1], [9.0], [], [float("nan")])] == [
        2.5,
        1.0,
        3.0,
        1.0,
        1.0,
    ]


@pytest.mark.parametrize("name", ["effects", "judges"])
def test_a_row_and_its_cells_lead_to_the_pictures_of_its_direction_at_its_strength(name):
    found = planted()
    at = Links([row["name"] for row in found.directions]).at
    [row, other, *_] = section(found, name).all("table")[1 if name == "effects" else 0].one("tbody").all("tr")
    for each, attribute in ((row, "smile"), (other, "age")):
        cells = [cell for cell in each.all("td", "cell")]
        led = [link.attributes["href"] for cell in (each.one("th"), *cells) for link in cell.all("a")]
        assert led == [at(f"{attribute}/ridge/disentangled", -2.0)] * (1 + len(cells))
        assert all(link.attributes["tabindex"] == "-1" for cell in cells for link in cell.all("a")), "one stop a row"


def test_random_directions_lead_nowhere():
    for table in section(planted(), "effects").all("table"):
        assert not table.one("tr", "control").all("a")


def test_of_several_points_each_row_leads_to_its_own():
    found = at_points(dict.fromkeys(("mid_block", "up_blocks.0"), ("smile", "age")))
    file = Links([row["name"] for row in found.directions]).file
    rows = [row for table in section(found, "judges").all("table") for row in table.one("tbody").all("tr")]
    led = [str(row.one("th").one("a").attributes["href"]).partition("#")[0] for row in rows]
    names = [f"{a}/ridge@{p}/disentangled" for p in ("up_blocks.0", "mid_block") for a in ("smile", "age")]
    assert led == [f"directions/{file(name)}.html" for name in names]
