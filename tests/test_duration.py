"""Durations and periods, as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_jax.core.duration import Duration, Every
from gan_jax.errors import UserError


@pytest.mark.parametrize(
    ('text', 'images'),
    [
        ('100img', 100),
        ('1.5kimg', 1_500),
        ('25Mimg', 25_000_000),
        ('30ep', 53_910),
        ('0.5ep', 898),
        ('5000st', 320_000),
        (' 12 st ', 768),
        (12, 768),
        ('0', 0),
    ],
)
def test_units(text, images):
    assert Duration.parse(text).images(batch_size=64, epoch=1797) == images


@pytest.mark.parametrize(
    'text', ['', '-3st', '3 epochs', 'ep', '1e3img', '3kst', '3.st', 'nan', None]
)
def test_what_is_no_duration_is_refused_by_name(text):
    with pytest.raises(UserError, match=r"log\.every=.* is not a duration: .*'200kimg'"):
        Duration.parse(text, 'log.every')


def test_zero_is_never():
    never = Every.parse('0ep', 'eval.every', 100)
    assert not any(never.due(step, 10 * step, 10) for step in range(1, 50))
    assert never.steps_left(3, 30, 10) == float('inf')
    assert never.steps(10) == 0


def test_a_period_of_epochs_is_due_at_the_first_step_that_completes_one():
    every = Every.parse('1ep', 'sample.every', 100)
    assert [s for s in range(1, 11) if every.due(s, 32 * s, 32)] == [4, 7, 10]


periods = st.tuples(st.integers(1, 500), st.sampled_from(['st', 'img']))


@given(periods, st.integers(0, 2000), st.integers(1, 64))
def test_steps_left_is_the_distance_to_the_next_due_step(period, step, batch):
    every = Every.parse(f'{period[0]}{period[1]}', 'x', 100)
    left = every.steps_left(step, step * batch, batch)
    assert left >= 1
    assert every.due(step + left, (step + left) * batch, batch)
    between = range(step + 1, step + left)
    assert not any(every.due(s, s * batch, batch) for s in between)
