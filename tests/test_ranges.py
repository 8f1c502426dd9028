"""Numbers of the config and of flags: each has a range, and nothing outside it is accepted."""

import math
from collections.abc import Mapping

import jax
import pytest

from gan_jax import config as configs
from gan_jax import modes, reference
from gan_jax.core import keys, nodes, rng
from gan_jax.core.duration import Duration
from gan_jax.data import order
from gan_jax.errors import UserError

HUGE = 10**400
WRONG = (
    math.nan,
    math.inf,
    -math.inf,
    10**39,
    HUGE,
    -HUGE,
    10**5000,
    True,
    None,
    'many',
    (1, 2),
    {},
    1j,
)
INTS = ('count', 'counts')
NUMBERS = (*INTS, 'number', 'value', 'probability', 'range', 'numbers', 'choice or count')


def every(declared, prefix=''):
    """Yield (dotted name, Key) of all that any config may hold, whatever parts it names."""
    if isinstance(declared, nodes.Named):
        for name in filter(None, declared.names()):
            yield from every(declared.of(name), prefix)
    elif isinstance(declared, nodes.AnyOf):
        for name in declared.names():
            yield from every(declared.of(name), f'{prefix}{name}.')
    else:
        for name, key in declared.items():
            if isinstance(key, keys.Key):
                yield prefix + name, key
            elif isinstance(key, nodes.Named | nodes.AnyOf | Mapping):
                yield from every(key, f'{prefix}{name}.')


FLAGS = {f'--{n}': k for m in modes.names() for n, k in modes.find(m).FLAGS.items()}
EVERY = [*every(configs.KEYS), *FLAGS.items()]
DECLARED = set(filter(lambda pair: pair[1].kind in NUMBERS, EVERY))


def in_place(key, value):
    """Return a number where a key has one, of a tuple in its first place."""
    if key.kind in ('counts', 'numbers'):
        return (value,)
    return (value, value) if key.kind == 'range' else value


def refused(name, key, value):
    """Tell whether a value is refused, in one line that names it."""
    try:
        nodes.check({name: key}, {name: value})
    except UserError as error:
        assert name in str(error) and '\n' not in str(error)
        return True
    return False


def test_every_kind_of_number_is_tried():
    assert len(DECLARED) > 100
    assert {k.kind for _, k in DECLARED} == {*NUMBERS} - {'numbers'}


@pytest.mark.parametrize('value', WRONG, ids=range(len(WRONG)))
def test_what_is_no_number_or_out_of_reach_is_refused_everywhere(value):
    for name, key in DECLARED:
        fits = (value is None and key.default is None) or (key.each and value == (1, 2))
        # A schedule that lacks all is refused where it is made, as one that lacks some.
        fits |= key.kind == 'value' and value == {}
        assert fits or refused(name, key, in_place(key, value)), name
        if key.kind == 'value':
            for end in ('first', 'final'):
                assert refused(name, key, {'first': 0.5, 'final': 0.5, 'stop': 9, end: value})


def test_every_number_has_bounds_and_accepts_them():
    lows = {name for name, key in DECLARED if math.isfinite(max(key.low, key.above))}
    assert {name for name, _ in DECLARED} - lows == set()
    for name, key in DECLARED:
        for bound in filter(math.isfinite, (key.low, key.high)):
            assert not refused(name, key, in_place(key, bound)), name
        for bound in filter(math.isfinite, (key.above, key.below)):
            assert refused(name, key, in_place(key, bound)), name
        least = key.low - 1 if math.isfinite(key.low) else -1
        assert refused(name, key, in_place(key, least)), name
        assert '<' in key.limits()


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('model.g.z_dim', 0), ('model.g.z_dim', -3), ('model.g.hidden', (0,)), ('seed', 2**64),
        ('model.classes', -1), ('batch_size', 10**20), ('terms.weight_clip.bound', -1.0),
        ('ema.ramp', math.inf), ('terms.dragan.spread', math.nan), ('terms.dragan.target', -1.0),
        ('model.d.slope', math.nan), ('model.d.slope', 1e30), ('model.g.norm_eps', math.nan),
        ('terms.instance_noise.sigma', -1.0), ('terms.instance_noise.sigma', math.nan),
        ('optim.d.eps', 1e-50), ('optim.d.b1', 0.99999999999), ('optim.g.clip', -1.0),
        ('loss.real', (0.0, 1e30)), ('data.threads', 10**6), ('eval.seed', 2**32),
    ],
)  # fmt: skip
def test_nonsense_is_refused_before_anything_is_made(name, value):
    config = configs.base()
    config.model.name = 'mlp'
    config.terms = {'weight_clip': {}, 'dragan': {}, 'instance_noise': {}}
    config = configs.settled(config)
    with config.ignore_type():
        config.update_from_flattened_dict({name: value})
    with pytest.raises(UserError) as refusal:
        configs.validate(config)
    assert str(refusal.value).startswith(f'{name}=') and '\n' not in str(refusal.value)


def test_bounds_are_said_in_the_help_and_in_the_reference():
    key = keys.number(0.5, 'Decay.', low=0, below=1)
    assert key.limits() == '0 <= x < 1'
    assert 'at least 0 and less than 1' in ''.join(reference.lines({'b1': key}, '--'))
    assert '| 0 <= x < 1 |' in reference.row('b1', key)
    assert keys.count(1, '').limits() == '1 <= x' and keys.flag(True, '').limits() == ''
    assert keys.seed('').allowed() == 'an int, at least 0 and at most 4294967295'


def test_a_seed_has_32_bits_and_each_draws_its_own():
    last = keys.LAST_SEED
    assert configs.COMMON['seed'].allows(last) and not configs.COMMON['seed'].allows(last + 1)
    assert modes.find('sample').FLAGS['seed'].high == last
    drawn = [jax.random.key_data(rng.root(seed)).tolist() for seed in (0, last, last >> 1)]
    assert len(set(map(tuple, drawn))) == 3
    assert (order.order(50, last, 0) != order.order(50, last >> 1, 0)).any()


def test_durations_are_counted_in_int32():
    assert Duration.parse('2147483647st').amount == 2**31 - 1
    for text in ('2147483648st', '3000Mimg', '9' * 5000, f'{"9" * 400}img'):
        with pytest.raises(UserError, match='is too long'):
            Duration.parse(text)
    config = configs.base()
    config.duration = '100000000st'
    with pytest.raises(UserError, match='duration is 6400000000 images: at most 2147483647'):
        configs.validate_durations(configs.resolve(config, 10))
