"""Keys and draws: the numbers are those of jax's own generator, whatever shape they come in."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.core import rng

DRAWS = {
    'normal': lambda key: jax.random.normal(key, (3, 5)),
    'uniform': lambda key: jax.random.uniform(key, (7,), minval=-1.0),
    'scalar': lambda key: jax.random.uniform(key),
    'bernoulli': lambda key: jax.random.bernoulli(key, 0.3, (40,)),
    'randint': lambda key: jax.random.randint(key, (9,), 0, 1000),
    'bytes': lambda key: jax.random.bits(key, (2, 3, 4), 'uint8'),
    'split': lambda key: jax.random.normal(jax.random.split(key, (2, 2))[1, 0], (4,)),
    'each': lambda key: jax.vmap(lambda k: jax.random.normal(k, (2,)))(rng.example_keys(key, 6)),
    'fold': lambda key: jax.random.normal(rng.fold(key, 'z', jnp.int32(12)), (4,)),
}


@pytest.mark.parametrize('seed', [0, 1, 2**31 - 1])
@pytest.mark.parametrize('draw', DRAWS.values(), ids=DRAWS)
def test_draws_are_those_of_jax(draw, seed):
    ours, theirs = jax.jit(draw)(rng.root(seed)), jax.jit(draw)(jax.random.key(seed))
    np.testing.assert_array_equal(ours, theirs)


def test_a_key_comes_back_from_its_data():
    key = rng.fold(rng.root(3), 'z')
    again = rng.wrap(jax.random.key_data(key))
    assert again.dtype == key.dtype
    np.testing.assert_array_equal(jax.random.normal(again, (3,)), jax.random.normal(key, (3,)))


def test_purposes_steps_and_examples_have_keys_of_their_own():
    root = rng.root(0)
    keys = [
        rng.fold(root, 'z'),
        rng.fold(root, 'g'),
        rng.fold(root, 'z', 0),
        rng.fold(root, 'z', 1),
    ]
    keys += list(rng.example_keys(root, 3))
    assert len({tuple(np.asarray(jax.random.key_data(key)).tolist()) for key in keys}) == 7


def test_no_loop_is_made_for_a_draw():
    text = jax.jit(DRAWS['each']).lower(rng.root(0)).compile().as_text()
    assert 'while(' not in text
