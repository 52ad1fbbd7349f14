from pipeline.catalog.templates import data_uri
from tests.pipeline.catalog.planted_findings import planted, section, with_sampling


def test_samples_are_shown_in_order_and_counted():
    found = planted()
    shown = section(found, "samples")
    assert [image.attributes["src"] for image in shown.all("img")] == [data_uri(each) for each in found.samples]
    assert shown.one("figcaption").text == "The first 8 of 50 samples, unedited, as they came."


def test_real_images_are_as_the_model_sees_them():
    said = section(with_sampling(n=2000, found_in="real images"), "samples").one("figcaption").text
    assert said == "The first 8 of 2,000 real images, as the model sees them."
