"""Principal components against exact decompositions, with the bounds they promise, and to the bit where they promise that."""

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.decomposition import PCA, IncrementalPCA

from pipeline.estimators import dual
from pipeline.estimators.components import components_from_gram, exact_pca
from pipeline.estimators.pca import StreamingPCA, components_of
from pipeline.estimators.sketch import merge_in_tree
from tests.pipeline.planted_spectrum import D, K, N, cosines, exact, planted


@pytest.fixture(scope="module")
def h() -> np.ndarray:
    """Five strong directions over a weak floor."""
    return planted([9, 7, 5, 3.5, 2.5], floor=0.2)


@pytest.fixture(scope="module")
def flat() -> np.ndarray:
    """Nothing but noise after two directions."""
    return planted([5, 4], floor=1)


def same_bytes(a: StreamingPCA, b: StreamingPCA) -> bool:
    mine, others = a.state(), b.state()
    return mine.keys() == others.keys() and all(
        mine[name].dtype == others[name].dtype and mine[name].tobytes() == others[name].tobytes() for name in mine
    )


def fitted(h, n_components=K, **settings) -> StreamingPCA:
    return StreamingPCA(n_components, **settings).partial_fit(h)


# Against other implementations


def test_attributes_are_those_of_scikit_learn_s_exact_pca(h):
    ours, theirs = fitted(h, keep=40, batch=64), PCA(K, svd_solver="full").fit(h.astype(np.float64))
    np.testing.assert_allclose(ours.mean_, theirs.mean_, rtol=1e-6)
    np.testing.assert_allclose(ours.components_, theirs.components_, atol=2e-3)  # with their signs
    np.testing.assert_allclose(ours.singular_values_, theirs.singular_values_, rtol=1e-4)
    np.testing.assert_allclose(ours.explained_variance_, theirs.explained_variance_, rtol=1e-4)
    np.testing.assert_allclose(ours.explained_variance_ratio_, theirs.explained_variance_ratio_, rtol=1e-4)
    np.testing.assert_allclose(ours.transform(h), theirs.transform(h), atol=0.03)
    assert ours.n_samples_seen_ == N


def test_with_nothing_extra_kept_the_update_is_scikit_learn_s(flat):
    theirs = IncrementalPCA(K)
    for rows in np.split(flat, 9):
        theirs.partial_fit(rows)
    ours = fitted(flat, keep=K, batch=100)
    np.testing.assert_allclose(ours.components_, theirs.components_, atol=1e-4)
    np.testing.assert_allclose(ours.singular_values_, theirs.singular_values_, rtol=1e-6)
    np.testing.assert_allclose(ours.explained_variance_ratio_, theirs.explained_variance_ratio_, rtol=1e-5)


def test_keeping_more_than_is_wanted_saves_the_last_components():
    h = planted([3, 2.5, 2, 1.7, 1.5], floor=0.7, n=1000, d=400)
    _, vt = exact(h)
    narrow, wide = (fitted(h, keep=keep, batch=20).components_ for keep in (K, 6 * K))
    smallest = [np.linalg.svd(found @ vt[:K].T)[1].min() for found in (narrow, wide)]
    assert smallest[0] < 0.97 < 0.996 < smallest[1]


def test_a_mean_far_from_zero_costs_no_digits():
    h = planted([1, 0.7], floor=0.01, mean=500.0)
    s, vt = exact(h)
    ours = fitted(h, 2, batch=64)
    assert cosines(ours.components_, vt[:2]).min() > 0.999999
    np.testing.assert_allclose(ours.singular_values_, s[:2], rtol=1e-5)
    np.testing.assert_allclose(ours.mean_, h.mean(axis=0, dtype=np.float64), rtol=1e-9)


def test_fewer_samples_than_components_are_kept_whole(h):
    few = h[:4]
    s, vt = exact(few)
    ours = fitted(few)
    assert ours.components_.shape == (3, D)  # four centred samples span three dimensions
    assert cosines(ours.components_, vt[:3]).min() > 0.9999
    np.testing.assert_allclose(ours.explained_variance_ratio_.sum(), 1, rtol=1e-6)
    assert ours.dropped_ == pytest.approx(0, abs=1e-6 * np.sum(s**2))


@pytest.mark.parametrize("rows", [1, 7])
def test_samples_that_are_all_alike_have_no_components(rows):
    ours = fitted(np.full((rows, D), 2.5, np.float32), 2, batch=3)
    np.testing.assert_array_equal(ours.mean_, np.full(D, 2.5))
    assert not ours.components_.any() and not ours.explained_variance_ratio_.any() and not ours.well_separated_.any()


# The same to the bit


@pytest.mark.parametrize("pieces", [[N], [1] * N, [3, 61, 64, 65, 500, 207], [0, 130, 770]])
def test_the_order_of_the_rows_counts_and_not_the_calls_they_came_in(h, pieces):
    in_pieces = StreamingPCA(K, keep=12, batch=64)
    for rows in np.split(h, np.cumsum(pieces)[:-1]):
        in_pieces.partial_fit(rows)
    assert same_bytes(in_pieces, fitted(h, keep=12, batch=64))


@pytest.mark.parametrize("at", [0, 5, 64, 400, 900])
def test_a_fit_that_goes_on_from_a_saved_state_is_the_uninterrupted_one(h, at):
    begun = StreamingPCA(K, keep=12, batch=64)
    if at:
        begun.partial_fit(h[:at])
    resumed = StreamingPCA.from_state(begun.state())
    assert same_bytes(resumed, begun)
    assert same_bytes(resumed.partial_fit(h[at:]), fitted(h, keep=12, batch=64))


def test_looking_changes_nothing(h):
    looked_at, not_looked_at = StreamingPCA(K, batch=64), StreamingPCA(K, batch=64)
    for rows in np.split(h, 9):
        not_looked_at.partial_fit(rows)
        looked_at.partial_fit(rows)
        before = looked_at.components_
        mean = looked_at.mean_
        mean += 1  # of a copy
        np.testing.assert_array_equal(looked_at.components_, before)
    assert same_bytes(looked_at, not_looked_at)


def test_the_queue_counts_in_what_is_read(h):
    s, _ = exact(h[:70])
    np.testing.assert_allclose(fitted(h[:70], batch=64).singular_values_, s[:K], rtol=1e-4)
    np.testing.assert_allclose(fitted(h[:70], batch=999).singular_values_, s[:K], rtol=1e-6)


# Kinds of arrays


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_of_any_width_count_as_float32(h, dtype):
    rows = h.astype(dtype)
    assert same_bytes(fitted(rows, batch=64), fitted(rows.astype(np.float32), batch=64))


def test_torch_in_torch_out_numpy_in_numpy_out(h):
    from_numpy, from_torch = fitted(h, batch=64), fitted(torch.from_numpy(h), batch=64)
    assert same_bytes(from_numpy, from_torch)
    for name in ("mean_", "components_", "explained_variance_ratio_", "well_separated_"):
        ours, theirs = getattr(from_numpy, name), getattr(from_torch, name)
        assert isinstance(ours, np.ndarray) and isinstance(theirs, torch.Tensor)
        np.testing.assert_array_equal(ours, theirs.numpy())
    assert isinstance(from_numpy.transform(torch.from_numpy(h)), torch.Tensor)
    assert isinstance(from_torch.transform(h), np.ndarray)


@pytest.mark.filterwarnings("error")
def test_rows_that_are_read_only_or_not_contiguous_are_as_good(h):
    wide = np.repeat(h, 2, axis=1)
    wide.flags.writeable = False
    assert same_bytes(fitted(wide[:, ::2], batch=64), fitted(h, batch=64))


# Merging


def parts_of(h, n_parts, **settings) -> list[StreamingPCA]:
    return [fitted(rows, **settings) for rows in np.array_split(h, n_parts)]


def test_merged_states_know_what_one_fit_would(h):
    first, second = (fitted(rows, keep=40, batch=64) for rows in (h[:300], h[300:]))
    before = second.state()
    merged = first.merge(second)
    assert all(np.array_equal(before[name], array) for name, array in second.state().items())

    s, vt = exact(h)
    assert merged.n_samples_seen_ == N
    np.testing.assert_allclose(merged.mean_, h.mean(axis=0, dtype=np.float64), rtol=1e-6)
    assert cosines(merged.components_, vt[:K]).min() > 0.9999
    np.testing.assert_allclose(merged.singular_values_, s[:K], rtol=1e-4)
    np.testing.assert_allclose(merged.explained_variance_ratio_, s[:K] ** 2 / np.sum(s**2), rtol=1e-4)


def test_merging_with_nothing_changes_nothing_that_can_be_seen(h):
    nothing, something = StreamingPCA(K, batch=64), fitted(h, batch=64)
    assert same_bytes(fitted(h, batch=64).merge(nothing), something)
    np.testing.assert_allclose(nothing.merge(something).components_, something.components_, atol=1e-5)


# The account


def account(h, **settings) -> tuple[StreamingPCA, np.ndarray]:
    """A fit, and the eigenvalues of C - B."""
    pca = fitted(h, **settings)
    state = pca.state()
    assert len(state["queue"]) == 0
    centred = h.astype(np.float64) - h.mean(axis=0, dtype=np.float64)
    kept = state["kept"].astype(np.float64)
    return pca, np.linalg.eigvalsh(centred.T @ centred - kept.T @ kept)


@pytest.mark.parametrize("shrink", [False, True])
@pytest.mark.parametrize("keep", [K, 20, 60])
def test_what_is_missing_is_positive_and_within_the_bound(flat, keep, shrink):
    pca, missing = account(flat, keep=keep, batch=50, shrink=shrink)
    rounding = 1e-5 * pca.singular_values_[0] ** 2
    assert missing.min() > -rounding
    assert missing.max() < pca.bound_ + rounding
    assert pca.dropped_ == pytest.approx(missing.sum(), rel=1e-4)
    assert pca.bound_ > 0.1 * missing.max()  # a bound, and not just any number


@pytest.mark.parametrize("keep", [10, 30])
def test_frequent_directions_keep_their_promise(flat, keep):
    pca, missing = account(flat, keep=keep, batch=50, shrink=True)
    s, _ = exact(flat)
    promised = min(np.sum(s[j:] ** 2) / (keep + 1 - j) for j in range(keep + 1))
    assert missing.max() <= pca.bound_ * (1 + 1e-6) <= promised * (1 + 1e-5)


def test_the_bound_holds_over_merges(flat):
    merged = merge_in_tree(parts_of(flat, 6, keep=20, batch=50))
    centred = flat.astype(np.float64) - flat.mean(axis=0, dtype=np.float64)
    kept = merged.state()["kept"].astype(np.float64)
    missing = np.linalg.eigvalsh(centred.T @ centred - kept.T @ kept)
    rounding = 1e-5 * merged.singular_values_[0] ** 2
    assert -rounding < missing.min() and missing.max() < merged.bound_ + rounding
    assert merged.dropped_ == pytest.approx(missing.sum(), rel=1e-4)


def test_nothing_is_dropped_where_everything_is_kept(flat):
    pca = fitted(flat, keep=D, batch=50)
    total = np.sum(exact(flat)[0] ** 2)
    assert pca.bound_ == 0 and pca.dropped_ < 1e-5 * total
    assert pca.well_separated_[:2].all()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("floor", [0.03, 0.1, 0.3, 1.0])
def test_well_separated_components_are_those_of_the_exact_pca(floor, seed):
    h = planted([6, 4.5, 3.3, 2.5, 1.9], floor, n=500, d=80, seed=seed)
    pca = fitted(h, keep=10, batch=40)
    _, vt = exact(h)
    assert cosines(pca.components_, vt[:K])[pca.well_separated_].min(initial=1) > 0.989
    if floor == 0.03:
        assert pca.well_separated_.all()


def test_of_a_flat_spectrum_few_components_are_trusted(flat):
    pca = fitted(flat, keep=6, batch=50)
    _, vt = exact(flat)
    lost = cosines(pca.components_, vt[:K]) < 0.9
    assert lost.sum() >= 2
    assert not pca.well_separated_[lost].any()
    assert not pca.well_separated_[2:].any()


def test_components_of_equal_variance_are_not_trusted():
    scores = scipy.linalg.hadamard(64)[:, 1:4] * np.array(
        [3.0, 1.0, 1.0]
    )  # exactly uncorrelated, the last two as large
    h = np.zeros((64, D), np.float32)
    h[:, :3] = scores
    assert fitted(h, 3).well_separated_.tolist() == [True, False, False]
    assert exact_pca(h, 3).well_separated.tolist() == [True, False, False]


# For the stages


def test_exact_and_streaming_agree_and_a_tensor_is_as_good(h):
    ours, streamed = exact_pca(torch.from_numpy(h), K), components_of(fitted(h, keep=40, batch=64), K)
    np.testing.assert_array_equal(ours.vectors, exact_pca(h, K).vectors)
    np.testing.assert_allclose(streamed.vectors, ours.vectors, atol=2e-3)
    np.testing.assert_allclose(streamed.explained_variance_ratio, ours.explained_variance_ratio, rtol=1e-3)
    assert streamed.scores is None


def test_more_components_than_wanted_can_be_had_up_to_those_kept(h):
    pca = fitted(h, 2, keep=40, batch=64)
    assert components_of(pca, 40).vectors.shape == (40, D)
    np.testing.assert_array_equal(components_of(pca, 40).vectors[:K], components_of(pca, K).vectors)
    with pytest.raises(ValueError, match="40 are kept"):
        components_of(pca, 41)


# Fewer dimensions than components


def flattened(rank: int, d: int = 400, mean: float = 0.0) -> np.ndarray:
    """300 samples that span so many dimensions, to float32's rounding."""
    rng = np.random.default_rng(rank)
    axes = np.linalg.qr(rng.standard_normal((d, rank)))[0].T
    scores = rng.standard_normal((300, rank)) * np.geomspace(9, 0.05, rank)
    return (scores @ axes + mean * rng.standard_normal(d)).astype(np.float32)


@pytest.mark.parametrize("mean", [0.0, 5.0])
@pytest.mark.parametrize("found_rank", [1, 3, 6])
def test_no_component_is_made_of_rounding(found_rank, mean):
    h = flattened(found_rank, mean=mean)
    _, vt = exact(h)
    merged = merge_in_tree(parts_of(h, 3, n_components=8, keep=20, batch=32))
    for pca in (fitted(h, 8, keep=20, batch=32), merged):
        assert pca.components_.shape == (found_rank, 400)
        assert cosines(pca.components_, vt[:found_rank]).min() > 0.99
        assert len(pca.explained_variance_) == len(pca.well_separated_) == pca.transform(h).shape[1] == found_rank
    for found in (exact_pca(h, 8), components_of(merged, 8)):
        assert found.vectors.any(axis=1).tolist() == [True] * found_rank + [False] * (8 - found_rank)
        assert not found.explained_variance_ratio[found_rank:].any() and not found.well_separated[found_rank:].any()
    weights, ratio = components_from_gram(dual.gram(h, h.mean(axis=0, dtype=np.float64)), 8)
    assert weights.any(axis=1).sum() == np.count_nonzero(ratio) == found_rank


# Mistakes


def test_settings_that_cannot_work_are_refused():
    for settings in ({"n_components": 0}, {"n_components": 5, "keep": 4}, {"n_components": 5, "batch": 0}):
        with pytest.raises(ValueError, match="expected 1 <= n_components <= keep"):
            StreamingPCA(**settings)


def test_rows_of_another_shape_are_refused(h):
    with pytest.raises(ValueError, match=r"\(900, 119\); expected \(rows, 120\)"):
        fitted(h).partial_fit(h[:, 1:])
    with pytest.raises(ValueError, match=r"\(120,\)"):
        fitted(h[0])
    with pytest.raises(ValueError, match=r"\(900, 119\); expected \(rows, 120\)"):
        fitted(h).transform(h[:, 1:])
    with pytest.raises(ValueError, match=r"expected \(rows, 120\)"):
        fitted(h).merge(fitted(h[:, 1:]))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("at", [0, 70, 899])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rows_that_are_not_finite_are_refused_and_change_nothing(h, bad, at, dtype):
    pca, before = fitted(h[:100], batch=64), fitted(h[:100], batch=64)
    rows = h.astype(dtype)
    rows[at, 7] = bad
    with pytest.raises(ValueError, match=f"in row {at} of these 900, row {100 + at} of all"):
        pca.partial_fit(rows)
    assert same_bytes(pca, before)
    assert same_bytes(pca.partial_fit(h[100:]), fitted(h, batch=64))


def test_numbers_whose_products_overflow_are_refused_before_anything_is_learned(h):
    pca = StreamingPCA(K, batch=64)
    with pytest.raises(ValueError, match=r"a number of 1e\+15 or more in row 3 of these 900"):
        pca.partial_fit(np.where(np.arange(N)[:, None] == 3, 1e19, h).astype(np.float32))
    assert same_bytes(pca, StreamingPCA(K, batch=64))
    assert np.isfinite(pca.partial_fit(1e13 * h).singular_values_).all()


def test_pcas_that_are_set_differently_do_not_merge(h):
    with pytest.raises(ValueError, match="set alike"):
        fitted(h, keep=20).merge(fitted(h, keep=21))
