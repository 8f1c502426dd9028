"""pix2pix with terms of a game, on drawings: penalties in closed form, a run, what is refused."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import plays
import pytest
import runs
from test_translation import SHAPE, batches, built, first

from gan_jax import models, terms
from gan_jax.errors import UserError
from gan_jax.pictures import save_png

PIXELS = SHAPE[0] * SHAPE[1]
WHOLE = {'model.d.norm': 'none', 'loss.name': 'relativistic'}


class Linear(nn.Module):
    """Add up the channels [B, H, W, C] of a pair, each times a weight; one logit an image."""

    weights: tuple[float, ...]

    @nn.compact
    def __call__(self, images, label=None, *, train, keys=None):
        w = self.param('w', lambda _: jnp.asarray(self.weights))
        return jnp.einsum('bhwc,c->b', images, w)


def test_penalties_are_of_the_image_alone_and_what_they_teach_is_their_gradient():
    weights = (5.0, -4.0, 3.0, 0.1, -0.2, 0.3)  # first the channels of the source
    gamma = {'r1': 0.02, 'r2': 0.05}
    found = terms.node(**{name: {'weight': weight} for name, weight in gamma.items()})
    # nothing to speak of but the penalties
    alone = {**WHOLE, 'loss.d_weight': 1e-9, 'optim.d.momentum': 0.0}
    algorithm = dataclasses.replace(
        built('pix2pix', **alone), discriminator=Linear(weights), terms=terms.build(found)
    )
    state = algorithm.init(jax.random.key(0))
    batch = first(batches('pix2pix', n=3))
    after, metrics = jax.jit(algorithm.d_step)(state, batch, jax.random.key(1))
    squares = 0.5 * PIXELS * sum(w * w for w in weights[3:])
    for name in gamma:
        mean = metrics[name].total / metrics[name].count
        np.testing.assert_allclose(mean, squares, rtol=1e-5)
    moved = after.nets['d'].params['w']
    np.testing.assert_allclose(moved[:3], weights[:3], rtol=1e-5)
    kept = 1 - 0.1 * sum(gamma.values()) * PIXELS
    np.testing.assert_allclose(moved[3:], kept * np.asarray(weights[3:]), rtol=1e-5)


@pytest.mark.parametrize(
    'name',
    ['r1', 'r2', 'approximate_r1', 'approximate_r2', 'zero_centred', 'gradient_penalty', 'dragan'],
)
def test_no_term_asks_for_a_slope_in_what_is_given(name):
    (term,) = terms.build(terms.node(**{name: {}}))
    real = plays.images(0, (4, 5, 3, 6))
    fake, view = plays.images(1, real.shape), plays.view(lambda x: x[..., :2].sum((1, 2, 3)))
    seen = view, view.d(real, None), view.d(fake, None)
    _, means = plays.share(term, plays.play(real, fake, given=2), *seen)
    # no slope: nothing to penalise where that is wanted, and 1 too little where 1 is
    wanted = 1.0 if name in ('gradient_penalty', 'dragan') else 0.0
    assert means[name] == pytest.approx(wanted, abs=1e-6)
    _, means = plays.share(term, plays.play(real, fake), *seen)
    assert means[name] > 5


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'terms': {'packing': {}}, **WHOLE}, r"terms.packing .* algorithm='pix2pix': it needs to"),
        ({'terms': {'mutual_information': {}}, **WHOLE}, r'terms.mutual_information .* latents'),
        ({'terms': {'r1': {}}, 'loss.adversarial': 0.0}, r'terms.r1 .* with loss.adversarial=0'),
        ({'terms': {'r2': {}}}, r"model\.d\.norm='batch' is not allowed with terms\.r2"),
    ],
)
def test_terms_that_do_not_go_with_pairs_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        built('pix2pix', **changes)


def drawings(folder):
    """Make a folder of pictures of squares of two colours."""
    draw = np.random.default_rng(0)
    for i in range(20):
        image = np.full((8, 8, 3), draw.integers(0, 100, 3), np.uint8)
        image[2:6, 1 + i % 4 : 5 + i % 4] = draw.integers(150, 255, 3)
        save_png(folder / f'{i}.png', image)
    return folder


def test_a_run_on_drawings_resumes_exactly_and_translates_one(tmp_path, monkeypatch):
    config = runs.small(
        'pix2pix',
        **{
            'model': models.node(
                'unet',
                g={'width': 2, 'halvings': 2, 'norm': 'instance'},
                d={'name': 'mlp.Discriminator', 'hidden': (4,)},
            ),
            'terms': terms.node(r1={}, r2={}, lecam={}),
            'loss.name': 'relativistic',
            'data': {'name': 'edges', 'path': str(drawings(tmp_path / 'images'))},
            'steps_per_call': 1,
            'duration': '6st',
            'checkpoint.every': '2st',
            'sample.every': '6st',
        },
    )
    digest = runs.trained(config, tmp_path / 'straight')
    folder = tmp_path / 'stopped'
    runs.interrupted(monkeypatch, config, folder, 3)
    assert runs.steps(folder)[-1] < 6
    assert runs.trained(config, folder) == digest
    drawing = np.full((9, 14, 1), 255, np.uint8)
    drawing[4] = 0
    save_png(tmp_path / 'drawing.png', drawing)
    command = f'--mode=translate --workdir={folder} --input={tmp_path}/drawing.png'
    status, out, err = runs.call(f'{command} --out={tmp_path}/made')
    assert (status, err) == (0, '') and '1 images of step 6' in out
    assert (tmp_path / 'made' / 'drawing.png').exists()
    save_png(tmp_path / 'drawing.png', drawing[:3])
    status, _, err = runs.call(command)
    assert status == 2 and err.count('\n') == 1
    assert 'drawing.png: size 3x14 is too small for this generator, which takes 4 pixels' in err
