"""What is exported is what the catalog says that it has, or nothing is."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from pipeline.catalog.export.vectors import facts, vectors
from pipeline.errors import UserError
from tests.pipeline.catalog.export.planted_catalog import at_several_points, opened, planted, seal


def test_every_vector_is_there_with_its_direction_and_point(tmp_path):
    found = vectors(opened(at_several_points(tmp_path / "catalog")))
    assert [(each.direction.name, each.point, each.values.shape) for each in found] == [
        ("smile/ridge", "mid_block", (4, 8, 2, 2)),
        ("age/ridge", "mid_block", (4, 8, 2, 2)),
        ("age/ridge", "up_blocks.0", (4, 4, 4, 4)),
    ]


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda v: v.pop("smile/ridge"), "of 'smile/ridge' there is no vector"),
        (
            lambda v: v.update({"smile/ridge": v["smile/ridge"][:2]}),
            r"\[2, 8, 2, 2\], where float32 \[4, 8, 2, 2\] is expected",
        ),
        (lambda v: v.update({"smile/ridge": v["smile/ridge"].astype("f8")}), "is float64"),
        (lambda v: v["age/ridge"].__setitem__((1, 2), np.nan), "of 'age/ridge' the vector is not finite"),
    ],
)
def test_vectors_that_are_not_what_the_catalog_says_are_refused(tmp_path, damage, why):
    folder = planted(tmp_path / "catalog")
    arrays = load_file(folder / "directions.safetensors")
    damage(arrays)
    (folder / "directions.safetensors").write_bytes(save(arrays))
    seal(folder)
    with pytest.raises(UserError, match=why):
        vectors(opened(folder))


def test_what_is_no_safetensors_is_refused_before_it_is_believed(tmp_path):
    """A header that declares more than there is, and a pickle."""
    folder = planted(tmp_path / "catalog")
    header = b'{"smile/ridge":{"dtype":"F32","shape":[4,1000000000,2,2],"data_offsets":[0,64000000000]}}'
    for content in (len(header).to_bytes(8, "little") + header, b"\x80\x04cos\nsystem\n.", b""):
        (folder / "directions.safetensors").write_bytes(content)
        seal(folder)
        with pytest.raises(UserError, match="is not what its name says"):
            vectors(opened(folder))


def test_the_facts_say_whose_model_it_is_and_how_it_is_applied(tmp_path):
    about = opened(planted(tmp_path / "catalog")).about
    found = facts(about, about.directions[0])
    assert (found["name"], found["model"], found["weights_sha256"]) == ("smile/ridge", "a model", "ab" * 32)
    assert found["timesteps"] == about.sampling.timesteps and found["strength_per_sd"] is None
