import pytest
import torch
from PIL import Image

from pipeline.domains.portraits.attributes import ARCHITECTURES, ATTRIBUTES
from pipeline.domains.portraits.card import (
    PER_ROW,
    SHEET,
    Neighbours,
    contact_sheet,
    correlation_table,
    table,
    to_pixels,
    write_card,
)
from pipeline.domains.portraits.data import draw
from pipeline.domains.portraits.train_attributes import labels


@pytest.fixture(scope="module")
def portraits() -> torch.Tensor:
    return draw(40, seed=51)


def test_a_copy_of_a_training_image_is_found_out(portraits):
    training, fresh = portraits[:24], portraits[24:]
    samples = torch.cat([training[5:6], fresh])
    nearest = Neighbours(samples, training, to_pixels, chunk=10)
    assert nearest.index[0] == 5
    assert nearest.distance[0] < 0.5 < nearest.distance[1:].min()


def test_distance_by_pixels_is_a_root_mean_square_in_levels(portraits):
    darker = torch.full_like(portraits[:1], 100)
    lighter = torch.full_like(portraits[:1], 117)
    assert Neighbours(darker, lighter, to_pixels).distance.item() == pytest.approx(17, abs=1e-3)


def test_correlations_name_the_designed_pairs_and_the_largest_other():
    truth = labels(5000, seed=1).numpy()
    rows = correlation_table(truth, truth).splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows[:2]] == ["glasses, age", "smile, gender"]
    assert len(rows) == 3 and "the largest other" in rows[2]


def test_a_table_is_markdown():
    assert table(["a", "b"], [["x", "1"]]) == "| a | b |\n| :-- | --: |\n| x | 1 |"


def test_the_sheet_shows_samples_above_their_neighbours(portraits):
    sheet = contact_sheet(portraits, portraits, Neighbours(portraits, portraits, to_pixels), scale=1, gap=0)
    assert sheet.size == (48 * PER_ROW, 48 * 4)
    top, below = (sheet.crop((0, y, 48 * PER_ROW, y + 48)) for y in (0, 48))
    assert top.tobytes() == below.tobytes()  # each is its own neighbour here


def test_the_card_holds_what_was_measured(portraits, tmp_path):
    networks = {which: kind().eval() for which, kind in ARCHITECTURES.items()}
    accuracies = {which: dict.fromkeys(ATTRIBUTES, 0.9876) for which in ARCHITECTURES}
    seen = []
    write_card(
        tmp_path,
        samples=portraits[:16],
        training=portraits,
        held_out=draw(16, seed=52),
        networks=networks,
        accuracies=accuracies,
        advance=seen.append,
    )
    card = (tmp_path / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0\n")
    assert "16 samples" in card and "the 40 training portraits" in card
    assert card.count("0.9876") == 2 * len(ATTRIBUTES)
    assert sum(seen) == 32
    assert (tmp_path / SHEET).stat().st_size < 300_000
    Image.open(tmp_path / SHEET).verify()
