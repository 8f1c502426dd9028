"""Packing: the discriminator sees pairs, of one device and one piece."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import plays
import pytest
from test_steps import batches, run, tiny

from gan_jax.core import rng
from gan_jax.errors import UserError
from gan_jax.terms.packing import Term, pack


def test_consecutive_images_become_the_channels_of_one():
    images = plays.images(0, (6, 5, 3, 2))
    packed = pack(images, 3)
    assert packed.shape == (2, 5, 3, 6)
    np.testing.assert_array_equal(packed[1, :, :, 2:4], images[4])
    points = jnp.arange(8.0).reshape(4, 2)
    np.testing.assert_array_equal(pack(points, 2), [[0, 1, 2, 3], [4, 5, 6, 7]])


def test_a_collapse_can_be_seen_in_pairs():
    same = jnp.broadcast_to(plays.images(2, (1, 5, 3, 1)), (4, 5, 3, 1))
    play = plays.play(plays.images(0, (4, 5, 3, 1)), same)
    seen = Term().see(play)
    difference = [np.abs(x[..., 0] - x[..., 1]).max() for x in (seen.real, seen.fake)]
    assert difference[0] > 0.5 and difference[1] == 0
    np.testing.assert_array_equal(*map(jax.random.key_data, (seen.keys, play.keys[::2])))


@pytest.mark.parametrize(
    ('changes', 'devices'), [({'devices': 2}, 2), ({'accumulate': 2, 'devices': 1}, 1)]
)
def test_pairs_stay_within_devices_and_pieces(changes, devices):
    data, node = batches(2), {'packing': {'size': 2}}
    whole = run(tiny(terms=node), data)[0]
    assert whole.nets['d'].params['layer_0']['kernel'].shape[2] == 2
    other = run(tiny(terms=node, **changes), data, devices=changes['devices'])[0]
    chex.assert_trees_all_close(whole, other, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'accumulate': 2}, r'pieces of 2 examples, which do not divide by terms\.packing=4'),
        (
            {'devices': 1, 'model.classes': 3},
            r'model\.classes=3 is not allowed with terms\.packing.*available: 0',
        ),
    ],
)
def test_what_cannot_be_packed_is_refused(changes, message):
    changes = {'devices': 4, **changes}
    with pytest.raises(UserError, match=message):
        tiny(terms={'packing': {'size': 4}}, **changes)


def test_keys_of_packed_examples_do_not_repeat():
    keys = rng.example_keys(jax.random.key(0), 8)
    seen = Term(size=4).see(plays.play(plays.images(0, (8, 2, 2, 1)))._replace(keys=keys))
    assert len(np.unique(jax.random.key_data(seen.keys), axis=0)) == 2
