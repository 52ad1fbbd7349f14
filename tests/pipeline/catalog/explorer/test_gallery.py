import pytest

from tests.pipeline.catalog.planted_findings import document, of_single_images, planted, section, with_profiles


def table(findings):
    return section(findings, "ranked").one("table", "named").table()


def test_unsupervised_directions_are_ranked_named_and_compared():
    rows = table(planted())
    assert list(rows) == ["1", "2"]
    assert {name: cell.text for name, cell in rows["2"].items()} == {
        "what it does": "age +1.4",
        "found as": "component 1",
        "useful": "1.30",
        "strength per SD": "+0.71",
        "valid range": "−2.0 to +1.0",
        "pasted": "31%",
        "follows": "+0.76",
        "nearest supervised": "smile, ridge",
        "cosine": "−0.70 (−0.90), same",
    }
    assert not document(planted(components=0)).all("section", id="ranked")


def test_directions_of_single_images_say_how_they_were_found():
    assert [row["found as"].text for row in table(of_single_images()).values()][2:] == [
        *("mouth 0, jacobian", "image 0, jacobian", "mouth 1, jacobian")
    ]


@pytest.mark.parametrize(
    "known, cell",
    [
        ({"strength_in_range": False}, "+0.71 †"),
        ({"verified": None}, "+0.71 ‡"),
        ({"strength_by": "fall"}, "+0.71 §"),
        ({"strength_in_range": False, "verified": False, "strength_by": "fall"}, "+0.71 † ‡ §"),
        ({"strength_per_sd": None, "verified": None}, "–"),
    ],
)
def test_strengths_are_marked_by_what_is_not_known_of_them(known, cell):
    assert table(with_profiles(**known))["1"]["strength per SD"].text == cell


@pytest.mark.parametrize(
    "pasted, follows, cells",
    [
        (0.92, 0.1, ("92% ¶", "+0.10")),
        (0.92, None, ("92% ¶", "–")),
        (0.92, 0.9, ("92%", "+0.90")),
        (None, None, ("–", "–")),
    ],
)
def test_what_is_pasted_and_does_not_follow_is_marked_as_a_template(pasted, follows, cells):
    row = table(with_profiles(pasted=pasted, follows=follows))["1"]
    assert (row["pasted"].text, row["follows"].text) == cells
    assert "¶ marks what is pasted by 80 % or more" in section(planted(), "ranked").one("p", "note").text


def test_what_is_not_known_is_a_dash():
    row = table(with_profiles(label=None, nearest=None, nearest_cosine=None, nearest_cosine_by_step=None))["1"]
    cells = [row[name].text for name in ("what it does", "nearest supervised", "cosine")]
    assert cells == ["not measured", "–", "–"]


def test_the_cosine_in_brackets_is_the_one_farthest_from_0():
    found = with_profiles(duplicate=False, nearest_cosine_by_step=[0.2, -0.8, 0.5, 0.1])
    assert table(found)["1"]["cosine"].text == "−0.70 (−0.80)"


def test_no_more_than_thirty_are_shown_and_the_rest_are_counted():
    many = section(planted(components=33), "ranked")
    assert list(many.one("table").table())[-1] == "30"
    assert many.all("p", "note")[-1].text == "3 more are in profiles.parquet."
    assert "more are in" not in section(planted(components=30), "ranked").text
