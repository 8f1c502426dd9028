"""Metrics of pairs: closed forms, which real image belongs to a fake, and what is refused."""

import numpy as np
import pytest
from perceptual import narrow_weights

from gan_jax.errors import UserError
from gan_jax.metrics import evaluators, sets
from gan_jax.metrics.comparison import Given, compare_generator, compare_sets
from gan_jax.metrics.evaluators import l1, lpips, psnr, ssim
from gan_jax.metrics.features.protocol import NONE
from gan_jax.metrics.measurement import Protocol, Reference
from gan_jax.perceptual import weights


def flat(*values, side=16):
    """Return gray images of one value each."""
    return np.stack([np.full((side, side, 1), v, np.uint8) for v in values])


def noise(n, seed=0, side=16):
    shape = (n, side, side, 3)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def protocol(*names, **more):
    return Protocol(evaluators.build(names, {}), **more)


def array(tmp_path, name, images):
    np.save(tmp_path / f'{name}.npy', images)
    return sets.open_set(str(tmp_path / f'{name}.npy'))


def test_distances_are_their_closed_forms():
    real, fake = flat(0, 100, 255), flat(51, 100, 0)
    np.testing.assert_allclose(l1.Evaluator().values(real, fake), [0.2, 0, 1])
    wanted = [20 * np.log10(5), 100, 0]
    np.testing.assert_allclose(psnr.Evaluator().values(real, fake), wanted, atol=1e-9)
    luminance = [(2 * a * b + ssim.C1) / (a * a + b * b + ssim.C1) for a, b in
                 ((0, 51), (100, 100), (255, 0))]  # fmt: skip
    np.testing.assert_allclose(ssim.Evaluator().values(real, fake), luminance, rtol=1e-6)


def test_ssim_is_that_of_its_windows_written_out():
    a, b = (noise(1, seed)[0, :, :, :1] for seed in (1, 2))
    place = np.arange(-5, 6)
    line = np.exp(-(place**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    found = []
    for y in range(6):
        for x in range(6):
            p, q = (i[y : y + 11, x : x + 11, 0].astype(float) for i in (a, b))
            p_mean, q_mean = (window * p).sum(), (window * q).sum()
            p_var, q_var = (window * p * p).sum() - p_mean**2, (window * q * q).sum() - q_mean**2
            cov = (window * p * q).sum() - p_mean * q_mean
            top = (2 * p_mean * q_mean + ssim.C1) * (2 * cov + ssim.C2)
            found.append(top / ((p_mean**2 + q_mean**2 + ssim.C1) * (p_var + q_var + ssim.C2)))
    assert ssim.ssim(a, b) == pytest.approx(np.mean(found))
    assert ssim.ssim(a, a) == 1.0
    with pytest.raises(UserError, match='ssim needs 11 x 11 pixels, not 8 x 8'):
        ssim.Evaluator().values(flat(0, side=8), flat(0, side=8))


def test_lpips_is_that_of_each_pair(monkeypatch):
    given = narrow_weights()
    monkeypatch.setattr(weights, 'load', lambda path='': given)
    real, fake = noise(18), noise(18, 1)
    fake[3] = real[3]
    found = lpips.Evaluator().values(real, fake)
    assert found.shape == (18,) and found[3] == 0 and (np.delete(found, 3) > 0).all()
    # alone as among others, whichever of the two comes first
    np.testing.assert_allclose(
        lpips.Evaluator().values(fake[17:], real[17:]), found[17:], rtol=1e-5
    )


def test_two_sets_are_compared_in_their_order(tmp_path):
    real = array(tmp_path, 'real', flat(0, 51, 102))
    fake = array(tmp_path, 'fake', flat(51, 102, 153))
    (one,) = compare_sets(real, fake, NONE, protocol('l1'))
    assert (one['metric'], one['standard_error_over']) == ('l1', 'images')
    assert one['value'] == pytest.approx(0.2) and one['fake']['count'] == 3
    (part,) = compare_sets(real, fake, NONE, protocol('l1', num=2))
    assert part['value'] == pytest.approx(0.2)
    with pytest.raises(UserError, match='psnr compares pairs, and the fakes belong to no real'):
        compare_sets(real, array(tmp_path, 'few', flat(0, 1)), NONE, protocol('psnr'))
    other = array(tmp_path, 'other', flat(0, 1, 2, side=8))
    with pytest.raises(UserError, match=r'l1 compares images of one shape; real is \(16, 16, 1\)'):
        compare_sets(real, other, NONE, protocol('l1'))


def test_what_a_generator_makes_is_compared_with_what_it_is_to_be(tmp_path):
    values = np.arange(7) * 20
    reference = Reference(array(tmp_path, 'r', flat(*values)), NONE, protocol('l1', batch_size=3))

    def order(seed, n):
        return np.random.default_rng(seed).permutation(7)[np.arange(n) % 7]

    def sample(seed, number, n, labels):
        # each is what it is to be, but for 51 levels
        return flat(*values[order(seed, 3 * number + n)[3 * number :]] + 51)

    (one,) = compare_generator(reference, sample, {}, given=Given(7, order))
    assert one['value'] == pytest.approx(0.2) and one['fake']['count'] == 7
    with pytest.raises(UserError, match='l1 compares pairs'):
        compare_generator(reference, sample, {}, given=Given(7))
    with pytest.raises(UserError, match='l1 compares pairs'):
        compare_generator(reference, sample, {})
