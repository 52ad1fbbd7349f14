"""The page, read as a document: each section says what was planted, and is left out where there is nothing to say."""

import re

import numpy as np
import pandas as pd
import pytest

from pipeline.catalog.prevalence.page import page
from pipeline.catalog.prevalence.scored_images import Scored, ScoredImages
from pipeline.catalog.templates import asset
from tests.parsed import parse
from tests.pipeline.catalog.planted_findings import charts, lines

N = 1_000
NAN = float("nan")
NO_FAULTS = pd.DataFrame({"name": [], "kind": [], "reason": []})


def images(rows):
    return np.stack([np.full((8, 8, 3), row % 256, np.uint8) for row in rows])


@pytest.fixture(scope="module")
def scored() -> ScoredImages:
    rng = np.random.default_rng(0)
    bright = rng.normal(size=N)
    hat = np.zeros(N)
    hat[rng.choice(N, 17, replace=False)] = 1
    warm = np.where(rng.uniform(size=N) < 0.1, NAN, 0.9 * bright + 0.4 * rng.normal(size=N))
    labels = np.where(rng.uniform(size=N) < 0.5, NAN, (bright > 0.1).astype(float))
    columns = {
        Scored("net", "bright", 0.0): bright,
        Scored("net", "warm", NAN): warm,
        Scored("net", "hat", 0.5): hat,
        Scored("net", "ghost", 0.5): np.zeros(N),
        Scored("hand.made", "bright", 0.5, labels=True): labels,
    }
    scores = pd.DataFrame({"name": [f"{i}.png" for i in range(N)], **{key.column: of for key, of in columns.items()}})
    faults = [
        ("a.jpg", "truncated", "it ends early"),
        ("b.jpg", "truncated", "so does it"),
        ("c & d.png", "empty", "0 bytes"),
    ]
    return ScoredImages("my set", tuple(columns), scores, pd.DataFrame(faults, columns=["name", "kind", "reason"]))


@pytest.fixture(scope="module")
def document(scored):
    return parse(page(scored, images))


def test_rare_attributes_are_warned_of_with_the_arithmetic(document):
    said = [item.text for item in document.one("ul", "warnings").all("li")]
    assert said == [
        "17 of 1,000 images have hat (net): 100 that do need about 6,000 images.",
        "None of 1,000 images has ghost (net): at 95 %, fewer than 3 in 1,000 do, and 100 that do need more than 30,000 images.",
    ]


def test_how_often_each_is_there(document, scored):
    rows = document.one("section", id="prevalence").one("table").all("tr")[1:]
    cells = [[cell.text for cell in row.all("td")] for row in rows]
    assert [row.one("th").text for row in rows] == ["bright", "warm", "hat", "ghost", "bright"]
    above = int((scored.scores["net.bright"] > 0).sum())
    assert cells[0][:3] == ["net", str(above), f"{100 * above / N:.0f} %"] and cells[0][-2:] == ["1,000", ""]
    missing = int(scored.scores["net.warm"].isna().sum())
    assert cells[1][1:5] == ["–"] * 4 and cells[1][-2:] == [f"{N - missing:,}", str(missing)]
    assert [row.classes for row in rows].count({"rare"}) == 2


def test_every_column_has_its_histogram_and_images(document, scored):
    articles = document.one("section", id="scores").all("article")
    assert [each.one("h3").text for each in articles] == [
        "brightnet",
        "warmnet",
        "hatnet",
        "ghostnet",
        "brighthand.made",
    ]
    for article, column in zip(articles, scored.columns, strict=True):
        [drawn] = charts(article).values()
        assert sum(n for _, _, n in drawn["bars"]) == scored.scores[column.column].notna().sum()
        far = np.isnan(column.threshold) or column.attribute == "ghost"  # whose scores are all 0
        assert drawn["threshold"] == (None if far else column.threshold)
    assert [len(each.all("img")) for each in articles] == [18, 18, 12, 6, 12]
    assert all(each.attributes["src"].startswith("data:image/jpeg;base64,") for each in document.all("img"))


def test_what_goes_together_is_pearsons_r(document, scored):
    section = document.one("section", id="correlation")
    r = scored.scores["net.bright"].corr(scored.scores["net.warm"])
    rows = section.one("table").all("tr")[1:]
    assert len(rows) == 4, "a column that does not vary has none"
    assert rows[0].all("td")[1].text == f"{r:.2f}" and rows[0].all("td")[0].text == ""
    assert f"bright (net) and warm (net) +{r:.2f}" in section.text


def test_who_agrees_and_how_labels_rise_with_the_score(document, scored):
    [row] = document.one("section", id="agreement").one("table").all("tr")[1:]
    labelled = scored.scores["hand.made.bright"].notna().sum()
    assert [cell.text for cell in row.all("td")][:3] == ["net", "hand.made", str(labelled)]
    agreed = ((scored.scores["net.bright"] > 0) == (scored.scores["hand.made.bright"] > 0.5))[
        scored.scores["hand.made.bright"].notna()
    ].mean()
    assert row.all("td")[4].text == f"{agreed:.0%}"
    plot = document.one("section", id="calibration").one("div", "plot")
    [drawn] = charts(plot).values()
    [rising] = lines(drawn).values()
    assert len(rising) == 10 and rising == sorted(rising) and (drawn["y"]["low"], drawn["y"]["high"]) == (0, 1)
    assert plot.one("p", "note").text == f"{labelled} labelled images; AUC 1.00"


def test_what_cannot_be_read_is_counted_by_kind(document):
    rows = document.one("section", id="broken").one("table").all("tr")[1:]
    assert [[cell.text for cell in row.all()] for row in rows] == [
        ["truncated", "2", "a.jpg", "a.jpg", "it ends early"],
        ["empty", "1", "c & d.png", "c & d.png", "0 bytes"],
    ]


def test_the_page_asks_for_nothing_and_leads_only_to_what_is_there(document):
    addresses = [each.attributes[key] for each in document.walk() for key in ("src", "href") if key in each.attributes]
    assert all(str(address).startswith(("data:image/jpeg;base64,", "#")) for address in addresses)
    assert not document.all("link") and not document.all("iframe")
    anchors = [link.attributes["href"][1:] for link in document.one("nav").all("a")]
    assert anchors == [section.attributes["id"] for section in document.all("section")] and len(anchors) == 6


def test_what_draws_its_charts_is_in_it_and_the_rest_is_numbers(document):
    drawing = [each.text for each in document.one("head").all("script")]
    own = [" ".join(asset(name).split()) for name in ("vendor/d3.min.js", "vendor/plot.umd.min.js", "charts.js")]
    assert drawing == own
    others = [each.attributes.get("type") for each in document.one("body").all("script")]
    assert len(others) == 6 and set(others) == {"application/json"}
    [style] = document.one("head").all("style")
    assert not re.search(r"https?://|url\(|@import", style.text)


def test_what_a_set_calls_things_is_text(tmp_path):
    nasty = "</script><img src=x onerror=alert(1)>"
    column = Scored("net", nasty, 0.0)
    scores = pd.DataFrame({"name": ["a"] * 20, column.column: np.linspace(-1, 1, 20)})
    text = page(ScoredImages(nasty, (column,), scores, NO_FAULTS))
    document = parse(text)
    assert nasty not in text and not document.all("img")
    assert document.one("h1").text.endswith(nasty)
    assert list(charts(document)) == [f"Scores of {nasty} by net"]


def test_one_annotator_and_no_image_leaves_out_what_there_is_nothing_to_say_of(tmp_path):
    alone = ScoredImages(
        "x", (Scored("net", "bright", 0.0),), pd.DataFrame({"name": [], "net.bright": []}, dtype=float), NO_FAULTS
    )
    document = parse(page(alone, images))
    assert [section.attributes["id"] for section in document.all("section")] == ["prevalence"]
    assert not document.all("img") and not document.all("ul", "warnings")


def test_without_images_there_are_figures_alone(scored):
    document = parse(page(scored))
    assert not document.all("img") and len(document.one("section", id="scores").all("div", "chart")) == 5


def test_of_very_many_columns_all_are_in_the_table_and_those_nearest_to_a_half_are_drawn():
    """300 classes, of which class i has i in 300 images above its threshold, but for five without a threshold."""
    rng = np.random.default_rng(1)
    columns = {
        Scored("net", f"class_{i}", NAN if i >= 295 else 0.0): rng.permutation(np.where(np.arange(300) < i, 1.0, -1.0))
        for i in range(300)
    }
    scores = pd.DataFrame({each.column: of for each, of in columns.items()})
    document = parse(page(ScoredImages("many", tuple(columns), scores, NO_FAULTS), images))
    assert len(document.one("section", id="prevalence").one("table").all("tr")) == 301
    scored = document.one("section", id="scores")
    assert [each.one("h3").text for each in scored.all("article")] == [f"class {i}net" for i in range(120, 180)]
    assert "240 are in the table alone" in scored.one("p", "note").text.replace("\n", " ")
    assert len(document.one("section", id="correlation").one("table").all("tr")) == 61
    said = [item.text for item in document.one("ul", "warnings").all("li")]
    rare = sum(min(i, 300 - i) < 60 for i in range(295))
    assert len(said) == 61 and said[-1] == f"{rare - 60} more are rare; the table marks all."


def test_of_columns_without_thresholds_the_first_with_scores_are_drawn():
    columns = [Scored("net", f"value_{i}", NAN) for i in range(70)]
    rng = np.random.default_rng(2)
    scores = pd.DataFrame(
        {each.column: np.full(9, NAN) if i < 4 else rng.normal(size=9) for i, each in enumerate(columns)}
    )
    document = parse(page(ScoredImages("many", tuple(columns), scores, NO_FAULTS)))
    drawn = [each.one("h3").text for each in document.one("section", id="scores").all("article")]
    assert drawn == [f"value {i}net" for i in range(4, 64)]
