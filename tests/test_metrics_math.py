"""The metrics as functions of arrays: closed forms, references, edge cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_jax.errors import UserError
from gan_jax.metrics import mixture
from gan_jax.metrics.evaluators import (
    class_coverage,
    fid,
    fid_per_class,
    is_,
    kid,
    label_accuracy,
    mmd2,
    prdc,
    pyramid,
    stacked,
    swd,
)
from gan_jax.metrics.moments import Moments

FIXTURES = ('metrics_d64_n500', 'metrics_d2048_n300')


def clouds(n=60, m=50, d=8, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), 1.3 * rng.standard_normal((m, d)) + 0.5


@pytest.mark.parametrize('name', FIXTURES)
class TestParity:
    def features(self, parity, name):
        readme, _, ins, outs = parity(name)
        values = {k: float(v) for k, v in outs.items() if v.ndim == 0} | readme['values']
        return ins['real'].astype(np.float32), ins['fake'].astype(np.float32), values, outs

    def test_frechet(self, parity, name):
        real, fake, values, _ = self.features(parity, name)
        a, b = Moments.of(real, block=len(real) // 2), Moments.of(fake)
        expected = values['fid_exact_nuclear_norm']
        value = fid.frechet_distance(a.mean, a.covariance(), b.mean, b.covariance())
        assert value == pytest.approx(expected, rel=1e-10)
        assert fid.from_features(real, fake) == pytest.approx(expected, rel=1e-10)
        slack = max(1e-3 if len(real) < real.shape[1] else 1e-9, 0)
        assert value == pytest.approx(values['fid_pytorch_fid'], rel=slack)

    def test_kid(self, parity, name):
        real, fake, values, outs = self.features(parity, name)
        assert mmd2.mmd2(real, fake) == pytest.approx(values['mmd2_unbiased_full'], abs=1e-9)
        for key in (k for k in outs if k.endswith('_subset_idx_real')):
            subsets, size = outs[key].shape
            seed = key.removesuffix('_subset_idx_real')
            result = kid.kid(real, fake, subsets, size, int(seed.removeprefix('kid_seed')))
            assert result.mean == pytest.approx(values[f'{seed}_mean'], abs=1e-9)
            assert result.std == pytest.approx(values[f'{seed}_std'], abs=1e-9)

    def test_precision_recall_density_coverage(self, parity, name):
        real, fake, values, outs = self.features(parity, name)
        ks = {int(k.split('_')[1][1:]) for k in outs if k.startswith('prdc_k')}
        assert ks
        for k in ks:
            pair = prdc.precision_recall(real, fake, k)
            for field, value in {**prdc.prdc(real, fake, k)._asdict()}.items():
                assert value == pytest.approx(values[f'prdc_k{k}_{field}'], abs=1e-9)
            for field, value in pair._asdict().items():
                assert value == pytest.approx(values[f'pr_k{k}_{field}'], abs=1e-6)
            other = prdc.density_coverage(real, fake, k)._asdict()
            assert other == {f: values[f'prdc_k{k}_{f}'] for f in other}


def test_inception_score_parity(parity):
    readme, _, ins, outs = parity('inception_score')
    values = readme['values']
    probs = is_.softmax(ins['logits'])
    np.testing.assert_allclose(probs, outs['probs'], rtol=1e-5)
    for splits in (1, 10):
        result = is_.inception_score(probs, splits)
        key = f'torch_fidelity_splits{splits}_noshuffle'
        assert result.mean == pytest.approx(values[f'{key}_mean'], rel=1e-9)
        assert result.std == pytest.approx(values[f'{key}_std'], abs=1e-9)
        shuffled = is_.inception_score(probs[outs['shuffle2020_permutation']], splits)
        key = f'torch_fidelity_splits{splits}_shuffle2020_mean'
        assert float(shuffled) == pytest.approx(values[key], rel=1e-9)


class TestFrechet:
    def test_closed_form_of_diagonal_covariances(self):
        a, b = np.array([1.0, 4, 9]), np.array([4.0, 1, 9])
        value = fid.frechet_distance(np.zeros(3), np.diag(a), np.ones(3), np.diag(b))
        assert value == pytest.approx(3 + ((a**0.5 - b**0.5) ** 2).sum())

    def test_identical_moments_give_exactly_zero(self):
        x, _ = clouds()
        m = Moments.of(x)
        assert fid.frechet_distance(m.mean, m.covariance(), m.mean, m.covariance()) == 0.0
        assert fid.from_features(x, x.copy()) == 0.0

    def test_orthogonal_rank_deficient_covariances_have_no_root(self):
        a, b = np.diag([1.0, 2, 0, 0]), np.diag([0, 0, 3.0, 4])
        assert fid.frechet_distance(np.zeros(4), a, np.zeros(4), b) == pytest.approx(10, rel=1e-15)

    def test_no_variance_at_all(self):
        zero = np.zeros((3, 3))
        assert fid.frechet_distance(np.zeros(3), zero, np.ones(3), zero) == 3.0

    @settings(max_examples=25, deadline=None)
    @given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 9), st.integers(0, 99))
    def test_moments_and_features_agree_symmetric_and_not_negative(self, n, m, d, seed):
        x, y = clouds(n, m, d, seed)
        a, b = Moments.of(x), Moments.of(y)
        value = fid.frechet_distance(a.mean, a.covariance(), b.mean, b.covariance())
        assert value >= 0
        assert value == pytest.approx(fid.from_features(x, y), rel=1e-6, abs=1e-9)
        back = fid.frechet_distance(b.mean, b.covariance(), a.mean, a.covariance())
        assert value == pytest.approx(back, rel=1e-6, abs=1e-9)

    def test_nearly_identical_sets_do_not_go_negative(self):
        x, _ = clouds(500, 500, 20)
        shuffled = np.random.default_rng(1).permutation(x)
        a, b = Moments.of(x), Moments.of(shuffled)
        value = fid.frechet_distance(a.mean, a.covariance(), b.mean, b.covariance())
        assert 0 <= value < 1e-10

    def test_bad_moments_are_refused(self):
        with pytest.raises(UserError, match='NaN'):
            fid.frechet_distance(np.array([np.nan]), np.eye(1), np.zeros(1), np.eye(1))
        with pytest.raises(UserError, match=r'must be \[d\]'):
            fid.frechet_distance(np.zeros(2), np.eye(2), np.zeros(3), np.eye(3))


class TestMoments:
    def test_merging_in_any_order_is_the_moments_of_the_whole(self):
        x, _ = clouds(101, 1, 7)
        x = x + 1e4
        parts = [Moments.of(part) for part in (x[:3], x[3:40], x[40:41], x[41:])]
        merged = parts[2].merge(parts[0]).merge(parts[3]).merge(parts[1])
        assert merged.size == 101
        np.testing.assert_allclose(merged.mean, x.mean(0), rtol=1e-14)
        np.testing.assert_allclose(merged.covariance(), np.cov(x, rowvar=False), rtol=1e-9)

    def test_float32_features_accumulate_in_float64(self):
        x = (np.random.default_rng(0).standard_normal((4000, 3)) + 1000).astype(np.float32)
        m = Moments.over(x[i : i + 100] for i in range(0, 4000, 100))
        expected = np.cov(x.astype(np.float64), rowvar=False)
        np.testing.assert_allclose(m.covariance(), expected, rtol=1e-9)


class TestKid:
    def test_closed_form_of_two_rows(self):
        x, y = np.eye(2), np.zeros((2, 2))
        # kernels: x1.x2 -> 1, y1.y2 -> 1, x.y -> 1
        assert mmd2.mmd2(x, y) == pytest.approx(0)
        assert mmd2.mmd2(2 * np.ones((2, 1)), np.zeros((3, 1))) == pytest.approx(125 + 1 - 2)

    def test_blocks_do_not_matter(self, monkeypatch):
        x, y = clouds()
        whole = mmd2.mmd2(x, y)
        monkeypatch.setattr(mmd2, 'BLOCK', 7)
        assert mmd2.mmd2(x, y) == pytest.approx(whole, rel=1e-12)

    def test_identical_sets_are_zero_and_seeds_matter(self):
        x, y = clouds()
        assert mmd2.mmd2(x, x) == 0.0
        assert kid.kid(x, x, 3, 10, 0) == (0.0, 0.0)
        assert kid.kid(x, y, 3, 10, 0) == kid.kid(x, y, 3, 10, 0) != kid.kid(x, y, 3, 10, 1)

    def test_too_few_images_names_the_set_and_the_number(self):
        x, y = clouds(60, 50)
        with pytest.raises(UserError, match=r'55 needs at least 55 images; fake has 50'):
            kid.kid(x, y, 2, 55, 0)


def brute(real, fake, k):
    """Compute all four from the definitions, without blocks."""

    def distances(a, b):
        return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))

    r = np.sort(distances(real, real), axis=1)[:, k]
    f = np.sort(distances(fake, fake), axis=1)[:, k]
    d = distances(real, fake)
    return (
        (d <= r[:, None]).any(0).mean(),
        (d <= f[None]).any(1).mean(),
        (d < r[:, None]).sum(0).mean() / k,
        (d < r[:, None]).any(1).mean(),
    )


class TestPRDC:
    @settings(max_examples=20, deadline=None)
    @given(st.integers(4, 70), st.integers(4, 70), st.integers(1, 3), st.integers(0, 99))
    def test_equals_the_definition_in_blocks_of_any_size(self, n, m, k, seed):
        real, fake = clouds(n, m, 5, seed)
        real, fake = real.astype(np.float32), fake.astype(np.float32)
        block = prdc.BLOCK
        try:
            prdc.BLOCK = 100
            result = prdc.prdc(real, fake, k)
        finally:
            prdc.BLOCK = block
        np.testing.assert_allclose(result, brute(real, fake, k), atol=1e-12)

    def test_groups_find_the_same_neighbours(self):
        real, fake = clouds(900, 700, 6)
        np.testing.assert_allclose(prdc.prdc(real, fake, 4), brute(real, fake, 4), atol=2e-4)

    def test_identical_sets_are_perfect_whatever_the_offset(self):
        x = clouds(200, 1, 16)[0].astype(np.float32) + 1000
        assert prdc.prdc(x, x.copy(), 3) == (1.0, 1.0, 1.0, 1.0)

    def test_duplicates_are_at_distance_zero(self):
        x = np.repeat(clouds(40, 1, 64)[0], 3, axis=0)
        result = prdc.precision_recall(x, x[::-1], 2)
        assert result == (1.0, 1.0)

    def test_far_sets_share_nothing(self):
        x, y = clouds()
        assert prdc.prdc(x, y + 1e3, 3) == (0.0, 0.0, 0.0, 0.0)

    def test_a_lost_mode_lowers_recall_and_coverage_not_precision(self):
        rng = np.random.default_rng(0)
        real = np.concatenate([rng.normal(c, 0.1, (50, 2)) for c in (0, 10)])
        fake = rng.normal(0, 0.1, (100, 2))
        result = prdc.prdc(real, fake, 3)
        assert result.precision > 0.9
        assert result.recall < 0.6
        assert result.coverage < 0.6

    def test_too_few_images_and_nan_are_refused(self):
        x, y = clouds(60, 3)
        with pytest.raises(UserError, match='needs at least 4 images; fake has 3'):
            prdc.precision_recall(x, y, 3)
        x[7, 2] = np.nan
        with pytest.raises(UserError, match='image 7 of real'):
            prdc.density_coverage(x, clouds()[1], 3)


class TestInceptionScore:
    def test_bounds(self):
        assert float(is_.inception_score(np.eye(10).repeat(3, 0), 1)) == pytest.approx(10)
        assert float(is_.inception_score(np.full((9, 4), 0.25), 3)) == pytest.approx(1)

    def test_what_is_no_probability_is_refused(self):
        with pytest.raises(UserError, match='sum to 1'):
            is_.inception_score(np.ones((4, 4)), 1)
        with pytest.raises(UserError, match='at least 10 images'):
            is_.inception_score(np.eye(4), 10)


class TestModes:
    grid = np.array([[x, y] for x in range(-2, 3) for y in range(-2, 3)], np.float64)

    def test_perfect_and_collapsed(self):
        perfect = mixture.mixture(self.grid.repeat(4, 0), self.grid, 0.05)
        assert perfect == (25, 1.0, 0.0)
        collapsed = mixture.mixture(np.zeros((8, 2)), self.grid, 0.05)
        assert collapsed.modes == 1
        assert collapsed.reverse_kl == pytest.approx(np.log(25))

    def test_a_mode_needs_a_sample_within_three_deviations(self):
        near, far = self.grid[0] + [0.149, 0], self.grid[1] + [0.151, 0]
        result = mixture.mixture(np.stack([near, far]), self.grid, 0.05)
        assert result.modes == 1
        assert result.high_quality == 0.5
        assert result.reverse_kl == pytest.approx(np.log(25 / 2))

    def test_stacked(self):
        digits = np.array([[0, 0, 0], [9, 9, 9], [0, 1, 2]])
        assert stacked.stacked(digits) == stacked.stacked(np.array([0, 999, 12]))
        assert stacked.stacked(np.arange(1000)) == (1000, 0.0)
        assert stacked.stacked(digits).kl == pytest.approx(np.log(1000 / 3))

    @pytest.mark.parametrize('labels', [np.array([1000]), np.array([-1]), np.array([0.5]), []])
    def test_bad_labels_are_refused(self, labels):
        with pytest.raises(UserError):
            stacked.stacked(labels)


class TestSliced:
    def test_a_shift_moves_every_projection(self):
        x, _ = clouds(300, 1, 1)
        assert swd.sliced_wasserstein(x, x + 2) == pytest.approx(2)
        assert swd.sliced_wasserstein(x, x) == 0
        assert swd.sliced_wasserstein(x, x[::2]) < 0.2

    def test_blocks_of_directions_do_not_matter(self, monkeypatch):
        x, y = clouds(60, 50, 8)
        whole = swd.sliced_wasserstein(x, y, 40)
        monkeypatch.setattr(swd, 'BLOCK', 7)
        assert swd.sliced_wasserstein(x, y, 40) == pytest.approx(whole, rel=1e-12)


def photographs(n, seed):
    """Return n images of soft coloured blobs, uint8 [n, 32, 32, 3]."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (n, 8, 8, 3)).astype(np.float32).repeat(4, 1).repeat(4, 2)
    return pyramid.blur(pyramid.blur(coarse)).astype(np.uint8)


class TestPyramid:
    def test_identical_sets_are_exactly_zero_in_any_order(self):
        images = photographs(24, 0)
        assert pyramid.pyramid(images, images.copy()) == {32: 0, 16: 0, 0: 0}
        assert pyramid.pyramid(images, images[::-1], seed=3) == {32: 0, 16: 0, 0: 0}

    def test_the_order_of_what_is_known(self):
        real, other = photographs(48, 0), photographs(48, 1)
        blurred = pyramid.blur(other.astype(np.float32)).astype(np.uint8)
        noise = np.random.default_rng(0).integers(0, 256, real.shape, np.uint8)
        sets = noise, blurred, other, real
        values = [pyramid.pyramid(real, fake)[0] for fake in sets]
        assert values[0] > 2 * values[1] > 2 * values[2] > values[3] == 0

    def test_detail_is_seen_at_its_level(self):
        real = photographs(24, 0)
        speckled = (real + 40 * (np.indices(real.shape).sum(0) % 2)).clip(0, 255).astype(np.uint8)
        result = pyramid.pyramid(real, speckled)
        assert result[32] > 5 * result[16]

    def test_sizes_that_differ_or_are_too_small_are_refused(self):
        images = photographs(2, 0)
        with pytest.raises(UserError, match='images of one size'):
            pyramid.pyramid(images, images[:, :16])
        with pytest.raises(UserError, match='needs 16 x 16 pixels'):
            pyramid.pyramid(images[:, :8], images[:, :8])


class TestConditional:
    def test_per_class_sees_swapped_labels_that_the_whole_set_does_not(self):
        x, _ = clouds(80, 1, 4)
        labels = np.repeat([0, 1], 40)
        x[labels == 1] += 5
        assert fid_per_class.per_class(x, labels, x, labels) == (0.0, {0: 0.0, 1: 0.0})
        swapped = fid_per_class.per_class(x, labels, x, 1 - labels)
        assert swapped.mean > 50

    def test_unknown_labels_are_left_out(self):
        x, _ = clouds(30, 1, 4)
        labels = np.arange(30) % 3 - 1
        assert fid_per_class.per_class(x, labels, x, labels) == (0.0, {0: 0.0, 1: 0.0})

    def test_a_class_without_images_is_named(self):
        x, _ = clouds(10, 1, 2)
        labels = np.arange(10) % 2
        with pytest.raises(UserError, match='class 1 has 0 in fake'):
            fid_per_class.per_class(x, labels, x, np.zeros(10, int))

    def test_accuracy_and_coverage(self):
        assert label_accuracy.label_accuracy(np.array([1, 2, 3, 3]), np.array([1, 2, 3, 4])) == 0.75
        assert class_coverage.class_coverage(np.array([0, 0, 3]), 4) == 0.5
