"""Auxiliary classifier: what each player pays, and what it needs."""

import jax.numpy as jnp
import numpy as np
import plays
import pytest
from test_steps import tiny

from gan_jax import models
from gan_jax.core.game import Verdict
from gan_jax.errors import UserError
from gan_jax.terms.auxiliary_classifier import Term

RIGHT = jnp.array([[50.0, 0.0, 0.0], [0.0, 50.0, 0.0]])
UNSURE = jnp.zeros((2, 3))


@pytest.mark.parametrize(
    ('player', 'real', 'fake', 'expected'),
    [
        ('d', RIGHT, RIGHT, 0.0),
        ('d', UNSURE, RIGHT, np.log(3)),
        ('d', UNSURE, UNSURE, 2 * np.log(3)),
        ('g', UNSURE, RIGHT, 0.0),
        ('g', RIGHT, UNSURE, np.log(3)),
    ],
)
def test_d_pays_for_both_kinds_and_g_for_fakes(player, real, fake, expected):
    label = jnp.array([0, 1])
    play = plays.play(
        plays.images(0, (2, 2, 2, 1)), player=player, real_label=label, fake_label=label
    )
    verdicts = [Verdict(None, classes=logits) for logits in (real, fake)]
    value, means = plays.share(Term(), play, None, *verdicts)
    np.testing.assert_allclose(value, expected, atol=1e-6)
    assert means[f'{player}_fake_class_accuracy'] in (0.5, 1)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'model.classes': 0}, r'needs a generator that is told the label: set model\.classes'),
        ({'model.d.auxiliary': 4}, r'needs model\.d\.auxiliary=3, .* not 4'),
        ({'model.d.auxiliary': 0}, r'reads classes that model\.d does not return'),
    ],
)
def test_what_it_needs(changes, message):
    d = {'name': 'dcgan.Discriminator', 'widths': (4, 8), 'auxiliary': 3}
    g = {'name': 'cgan.Generator', 'z_dim': 4, 'widths': (8, 4), 'norm': 'none'}
    if changes.get('model.classes') == 0:
        g['name'] = 'dcgan.Generator'
    node = models.node('dcgan', prior='normal', classes=3, g=g, d=d)
    with pytest.raises(UserError, match=message):
        tiny(model=node, terms={'auxiliary_classifier': {}}, **changes)
