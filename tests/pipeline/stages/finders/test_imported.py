"""Directions from outside come out as they were brought, at the steps of the run; what does not fit is refused before it runs."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from pipeline.errors import UserError
from pipeline.stages.finders.finder import read_directions
from pipeline.stages.finders.imported import at_steps, imported
from tests.pipeline.making import made

SHAPE = (16, 8, 8)
VECTOR = np.random.default_rng(0).standard_normal(SHAPE)


def describe(folder, directions, **known):
    path = folder / "theirs.json"
    path.write_text(json.dumps({"directions": directions, **known}))
    return path


def written(folder, name, array):
    """A file of one of the kinds, with an array."""
    if name.endswith(".npy"):
        np.save(folder / name, array)
    elif name.endswith(".npz"):
        np.savez(folder / name, v=array)
    elif name.endswith(".safetensors"):
        save_file({"v": array}, folder / name)
    else:
        torch.save({"v": torch.from_numpy(array)}, folder / name)
    return name


def one(folder, array=VECTOR, name="v.npy", **known):
    return describe(folder, [{"name": "theirs", "file": written(folder, name, array)}], **known)


@pytest.mark.parametrize("name", ["v.npy", "v.npz", "v.safetensors", "v.pt", "v.pth"])
def test_a_vector_is_added_at_every_step_as_it_is(name, sources, tmp_path):
    finder = imported(one(tmp_path, np.abs(VECTOR), name), sources.sample)
    finder.check()
    [row], vectors = read_directions(made(tmp_path / "root", finder), (finder,))
    assert row["name"] == "theirs/imported" and row["capture"] == "mid_block" and row["attribute"] is None
    assert np.array_equal(vectors["theirs/imported"], np.repeat(np.abs(VECTOR)[None], 3, 0).astype(np.float32))


def test_a_tensor_alone_needs_no_key(sources, tmp_path):
    torch.save(torch.from_numpy(VECTOR), tmp_path / "v.pt")
    imported(describe(tmp_path, [{"name": "theirs", "file": "v.pt"}]), sources.sample).check()


def test_components_of_a_table_are_taken_by_row(sources, tmp_path):
    """GANSpace keeps them so: (components, 1, *shape of the layer)."""
    table = np.random.default_rng(1).standard_normal((5, 1, *SHAPE)).astype(np.float32)
    np.savez(tmp_path / "ganspace.npz", act_comp=table, act_stdev=np.ones(5))
    rows = [
        {"name": f"c{i}", "attribute": "smile", "file": "ganspace.npz", "key": "act_comp", "row": i} for i in (3, 0)
    ]
    finder = imported(describe(tmp_path, rows, method="ganspace"), sources.sample)
    rows, vectors = read_directions(made(tmp_path / "root", finder), (finder,))
    assert [(row["name"], row["attribute"], row["method"]) for row in rows] == [
        ("c3/ganspace", "smile", "ganspace"),
        ("c0/ganspace", "smile", "ganspace"),
    ]
    assert all(np.array_equal(vectors[f"c{i}/ganspace"], np.repeat(table[i], 3, 0)) for i in (3, 0))


def test_a_step_takes_the_vector_of_the_nearest_timestep():
    vectors = np.arange(4.0)[:, None] * np.ones((4, 6))
    found = at_steps(vectors, [900, 600, 300, 0], [999, 500, 440, 10], (2, 3))
    assert found.shape == (4, 2, 3) and found[:, 0, 0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("shape", [SHAPE, (16 * 8 * 8,), (1, *SHAPE)])
def test_a_vector_may_be_flat(shape):
    assert np.array_equal(at_steps(VECTOR.reshape(shape), None, [9, 5], SHAPE)[1], VECTOR.astype(np.float32))


@pytest.mark.parametrize(
    ("array", "known", "why"),
    [
        (VECTOR[:8], {}, r"has the shape \[8, 8, 8\]; expected \[16, 8, 8\], the shape of h at mid_block"),
        (VECTOR, {"timesteps": [9, 5]}, r"expected 2 x \[16, 8, 8\]"),
        (VECTOR, {"capture": "up_blocks.0"}, r"expected \[16, 16, 16\], the shape of h at up_blocks.0"),
        (VECTOR * 0, {}, "is zero, or not finite"),
        (VECTOR * np.inf, {}, "is zero, or not finite"),
        (VECTOR * 1e300, {}, "is zero, or not finite in float32"),
        (VECTOR, {"weights_sha256": "0" * 64}, "With another model they mean nothing"),
    ],
)
def test_what_does_not_fit_the_model_is_refused_before_it_runs(array, known, why, sources, tmp_path):
    finder = imported(one(tmp_path, array, **known), sources.sample)
    with pytest.raises(UserError, match=why):
        finder.check()


def test_the_weights_may_be_said(sources, tmp_path):
    imported(one(tmp_path, weights_sha256=sources.sample.model.weights), sources.sample).check()


@pytest.mark.parametrize(
    ("direction", "why"),
    [
        ({"name": "a/../b"}, "as the name of a direction"),
        ({"name": "<script>"}, "as the name of a direction"),
        ({"attribute": "a\nb"}, "as the name of an attribute"),
        ({"file": "../v.npy"}, "expected a file beside it"),
        ({"file": "/etc/passwd"}, "expected a file beside it"),
        ({"file": ".."}, "expected a file beside it"),
        ({"file": "link.npy"}, "which is no link"),
        ({"file": "absent.npy"}, "which is not beside it"),
        ({"fiel": "v.npy"}, "fiel: Extra inputs are not permitted"),
        ({"row": "x"}, "row: Input should be a valid integer"),
    ],
)
def test_a_description_that_leads_elsewhere_or_says_nothing_is_refused(direction, why, sources, tmp_path):
    (tmp_path / "link.npy").symlink_to("/etc/passwd")
    written(tmp_path, "v.npy", VECTOR)
    with pytest.raises(UserError, match=why):
        imported(describe(tmp_path, [{"name": "a", "file": "v.npy", **direction}]), sources.sample)


def test_what_is_no_description_is_said(sources, tmp_path):
    path = tmp_path / "theirs.json"
    for content, why in (("{", "is no JSON"), ("[]", "is no description"), ("[" * 100_000, "is no JSON")):
        path.write_text(content)
        with pytest.raises(UserError, match=why):
            imported(path, sources.sample)
    path.write_text(" " * (2**20 + 1))
    with pytest.raises(UserError, match="expected at most 1,048,576"):
        imported(path, sources.sample)
    with pytest.raises(UserError, match="cannot be read"):
        imported(tmp_path / "absent.json", sources.sample)
    twice = [{"name": "a", "file": written(tmp_path, "v.npy", VECTOR)}] * 2
    with pytest.raises(UserError, match="two directions of one name"):
        imported(describe(tmp_path, twice), sources.sample)


def test_a_row_that_is_not_there_is_said(sources, tmp_path):
    rows = [{"name": "a", "file": written(tmp_path, "v.npy", VECTOR[None]), "row": 1}]
    with pytest.raises(UserError, match="there is no row 1"):
        imported(describe(tmp_path, rows), sources.sample).check()


def test_a_pickle_of_more_than_tensors_is_not_run(sources, tmp_path):
    torch.save({"v": print}, tmp_path / "v.pt")
    with pytest.raises(UserError, match="Nothing in it was run|cannot be read as what torch.save wrote"):
        imported(describe(tmp_path, [{"name": "a", "file": "v.pt"}]), sources.sample).check()


def test_a_view_that_pretends_to_be_large_is_not_made_large(sources, tmp_path):
    torch.save(torch.zeros(1).expand(2**40), tmp_path / "v.pt")
    with pytest.raises(UserError, match="expected at most"):
        imported(describe(tmp_path, [{"name": "a", "file": "v.pt"}]), sources.sample).check()


def test_what_decides_it_is_what_the_files_hold(sources, tmp_path):
    """Not where they lie: a copy is the same finder; another vector is another."""
    first = imported(one(tmp_path), sources.sample)
    (tmp_path / "elsewhere").mkdir()
    assert imported(one(tmp_path / "elsewhere"), sources.sample).fingerprint == first.fingerprint
    other = imported(one(tmp_path, VECTOR + 1), sources.sample)
    assert other.fingerprint != first.fingerprint
    with pytest.raises(Exception, match="has changed since it was first read"):
        made(tmp_path / "root", first)
