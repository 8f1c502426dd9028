"""DiffAugment of mit-han-lab and ADA's augmentations, with draws that are given."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from gan_jax.augment import ada, diffaugment, resample

POLICIES = ['color', 'translation', 'cutout', 'color+translation+cutout', 'translation+cutout']
# our draws from those of the fixture
DRAWS = {
    'color': lambda d: (
        d['brightness_u'] - 0.5,
        2 * d['saturation_u'],
        d['contrast_u'] + 0.5,
    ),
    'translation': lambda d: (d['translation_x'], d['translation_y']),
    'cutout': lambda d: (d['cutout_x'], d['cutout_y']),
}
NAMES = {
    'xflip': 'mirror',
    'rotate90': 'quarters',
    'xint': 'step',
    'scale': 'zoom',
    'rotate': 'before',
    'aniso': 'stretch',
    'xfrac': 'move',
    'brightness': 'brightness',
    'contrast': 'contrast',
    'lumaflip': 'luma_flip',
    'hue': 'hue',
    'saturation': 'saturation',
    'cutout': 'cutout',
}
PIPES = {'bg': list(NAMES)[:7], 'c': list(NAMES)[7:12], 'bgc': list(NAMES)[:12]}


def close(got, want, tolerance):
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * abs(want).max())


def nhwc(images):
    return jnp.asarray(images.transpose(0, 2, 3, 1))


@pytest.mark.parametrize('policy', POLICIES)
def test_diffaugment(parity, policy):
    _, _, ins, outs = parity('diffaugment')
    names = policy.split('+')
    given = {k.rsplit('/', 1)[1]: jnp.asarray(v) for k, v in ins.items() if f'draw/{policy}/' in k}
    draws = {name: DRAWS[name](given) for name in names}

    def augment(image, draws):
        for name in names:
            image = diffaugment.AUGMENTATIONS[name].apply(image, *draws[name])
        return image

    augmented, pull = jax.vjp(lambda x: jax.vmap(augment)(x, draws), nhwc(ins['x']))
    close(augmented, nhwc(outs[f'{policy}/y']), 1e-4)
    close(pull(nhwc(ins['cotangent']))[0], nhwc(outs[f'{policy}/input_grad']), 1e-3)


def at_percentile(q, names, n):
    """Return the draw of n images at which named augmentations stand at a percentile."""
    normal, around = special.erfinv(2 * q - 1), 2 * q - 1
    values = {
        'mirror': math.floor(2 * q),
        'quarters': math.floor(4 * q),
        'step': (0.125 * around, 0.125 * around),
        'zoom': 2 ** (0.2 * normal),
        'before': math.pi * around,
        'stretch': 2 ** (0.2 * normal),
        'move': (0.125 * normal, 0.125 * normal),
        'brightness': 0.2 * normal,
        'contrast': 2 ** (0.5 * normal),
        'luma_flip': math.floor(2 * q),
        'hue': math.pi * around,
        'saturation': 2**normal,
        'cutout': 1.0,
    }
    wanted = {NAMES[name]: values[NAMES[name]] for name in names}
    one = ada.Draw(**wanted, corner=(q - 0.25, q - 0.25))
    return jax.tree.map(lambda x: jnp.full(n, x, jnp.float32), one)


@pytest.mark.parametrize('name', [*NAMES, *PIPES])
def test_ada(parity, name):
    _, _, ins, outs = parity('ada_augment')
    shares = ada.Shares(cutout=1.0)
    augment = jax.jit(lambda images, drawn: ada.apply(images, drawn, shares))
    for q in ins['percentiles']:
        want = nhwc(outs[f'{name}/p{q}'])
        images = nhwc(ins['images'][: len(want)])
        drawn = at_percentile(q, PIPES.get(name, [name]), len(images))
        close(augment(images, drawn), want, 1e-4)


def test_gradient_of_ada(parity):
    _, _, ins, outs = parity('ada_augment')
    q, images = ins['percentiles'][0], nhwc(ins['images'])
    drawn = at_percentile(q, PIPES['bgc'], len(images))
    _, pull = jax.vjp(lambda x: ada.apply(x, drawn, ada.Shares()), images)
    close(pull(nhwc(ins['cotangent']))[0], nhwc(outs[f'bgc_input_grad/p{q}']), 1e-3)


def test_the_filter_is_the_published_one(parity):
    close(resample.SYM6, parity('ada_augment')[3]['Hz_geom'], 1e-6)
