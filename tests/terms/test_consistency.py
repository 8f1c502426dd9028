"""Consistency: what the augmentation does, and which logits have to agree."""

import jax
import jax.numpy as jnp
import numpy as np
import plays

from gan_jax.core import rng
from gan_jax.core.game import Verdict
from gan_jax.terms.consistency import Term, augment

SHAPE = (6, 7, 2)


def keys(n):
    return rng.example_keys(jax.random.key(2), n)


def test_images_are_shifted_and_flipped_one_by_one():
    image = jnp.arange(84.0).reshape(SHAPE)
    many = np.asarray(augment(jnp.broadcast_to(image, (400, *SHAPE)), keys(400), 1, True))
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode='symmetric')
    crops = [padded[y : y + 6, x : x + 7] for y in range(3) for x in range(3)]
    wanted = np.stack([*crops, *(crop[:, ::-1] for crop in crops)])
    counts = [int((many == one).all(axis=(1, 2, 3)).sum()) for one in wanted]
    assert sum(counts) == 400 and min(counts) > 5
    alone = augment(image[None], keys(400)[7:8], 1, True)
    np.testing.assert_array_equal(alone[0], many[7])


def test_nothing_moves_where_nothing_may():
    images = plays.images(0, (4, *SHAPE))
    np.testing.assert_array_equal(augment(images, keys(4), 0, False), images)


def test_a_critic_that_does_not_see_the_change_is_left_alone():
    play = plays.play(plays.images(0, (64, *SHAPE)))

    def value(critic, **options):
        verdicts = [Verdict(critic(x)) for x in (play.real, play.fake)]
        return plays.share(Term(weight=1.0, **options), play, plays.view(critic), *verdicts)[0]

    def total(x):
        return x.sum(axis=(1, 2, 3))

    def corner(x):
        return x[:, 0, 0, 0]

    assert value(total, shift=0) < 1e-9 < 0.5 < value(corner, shift=0)
    assert value(corner, balanced=True) > value(corner)


def test_the_loss_is_the_squared_difference():
    play = plays.play(jnp.ones((8, *SHAPE)), jnp.zeros((8, *SHAPE)))
    three = Verdict(jnp.full(8, 3.0))
    constant = plays.view(lambda x: jnp.full(len(x), 1.0))
    assert plays.share(Term(), play, constant, three, three)[0] == 40
    assert plays.share(Term(balanced=True), play, constant, three, three)[0] == 80
