"""Every number of the config and of the flags, times values that are none or far too large.

Each is refused in one line, or makes a run whose parts are known; nothing is trained or written.
"""

import collections
import contextlib
import math

import pytest
import runs

from gan_jax import cli, modes
from gan_jax import config as configs
from gan_jax.core import nodes
from gan_jax.core.keys import MOST
from gan_jax.errors import UserError
from gan_jax.training.run import open_run

pytestmark = pytest.mark.slow

NUMBERS = ('count', 'counts', 'number', 'value', 'probability', 'range', 'choice or count')
VALUES = (math.nan, math.inf, -math.inf, -1, 0, 1e-50, 1e20, 10**20, 10**30, 10**400, MOST, 'many')
TEXTS = ('nan', 'inf', '-inf', '-1', '0', '1e20', '9' * 31, '9' * 5000, 'many', '', '0x10', '1_0')
TERMS = ('dragan', 'gradient_penalty', 'instance_noise', 'lecam', 'r1', 'weight_clip')
CONFIGS = {
    'gan': ('gan', {}),
    'least squares by rmsprop': ('gan', {'loss.name': 'least_squares', 'optim.d.name': 'rmsprop'}),
    'dcgan by sgd': ('gan', {'model.name': 'dcgan', 'data.size': '32', 'optim.g.name': 'sgd'}),
    'points': ('gan', {'data.name': 'points'}),
    'autoencoder': ('autoencoder', {'data.range': '[0,1]'}),
    'classifier': ('classifier', {'model.classes': 10}),
}


def made(name):
    """Return a config of a name, whose parts have their keys."""
    algorithm, changes = CONFIGS[name]
    config = runs.small(algorithm)
    if algorithm == 'gan':
        config.terms = {term: {} for term in TERMS}
    for key, value in changes.items():
        if key.endswith('name'):
            nodes.rename(configs.KEYS, config, key, value)
        else:
            config.update_from_flattened_dict({key: value})
    return configs.settled(config)


def attempts(config):
    """Yield (key, config with one number replaced)."""
    for name, key in list(nodes.flat(configs.KEYS, config)):
        for value in VALUES if key.kind in NUMBERS else ():
            changed = configs.settled(config)
            node, leaf = configs.node(changed, name.rpartition('.')[0]), name.rpartition('.')[2]
            shaped = {'counts': (value,), 'range': (0, value)}
            with changed.unlocked():
                del node[leaf]  # whose type a value would be cast to
                node[leaf] = shaped.get(key.kind, value)
            yield name, changed


@pytest.mark.parametrize('name', CONFIGS)
def test_numbers_of_a_config_are_refused_in_one_line_or_make_a_run(name, capsys):
    seen = collections.Counter()
    for key, config in attempts(made(name)):
        try:
            open_run(config)
            seen['makes a run'] += 1
        except UserError as error:
            assert '\n' not in str(error) and len(str(error)) < 1500, key
            seen['too large' if 'are needed' in str(error) else 'refused'] += 1
    with capsys.disabled():
        print(f'\n{name}: {sum(seen.values())} attempts, {dict(seen)}')
    assert seen['refused'] > 100 and seen['refused'] > seen['makes a run']


def test_numbers_of_flags_are_refused_in_one_line_or_parsed(capsys):
    seen = collections.Counter()
    for mode in modes.names():
        flags = {**cli.COMMON, **modes.find(mode).FLAGS}
        for name, key in flags.items():
            for text in TEXTS if key.kind in NUMBERS else ():
                with contextlib.suppress(UserError):
                    cli.parse(['launch.py', f'--mode={mode}', f'--{name}={text}', '--workdir=x'])
                    seen[f'--{name} parsed'] += 1
                seen['attempts'] += 1
    with capsys.disabled():
        print(f'\nflags: {dict(seen)}')
    assert seen['attempts'] > 100
    assert seen['--num parsed'] == 4 and '--rate parsed' in seen
