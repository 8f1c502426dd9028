"""What a config holds, what is wrong with one, and its durations resolved to images."""

from collections.abc import Iterator
from typing import Any

import jax
from ml_collections import ConfigDict

from gan_jax import algorithms, data
from gan_jax.core import allowed, keys, nodes, optim
from gan_jax.core.duration import MOST, Duration
from gan_jax.data.config import KEYS as DATA
from gan_jax.errors import UserError
from gan_jax.metrics import options
from gan_jax.runtime import parallel

# Keys of every run; its algorithm adds its own, and to 'sample' too, and metrics to 'eval'.
COMMON: dict[str, Any] = {
    'seed': keys.seed('Seed of all draws.'),
    'seeds': keys.count(
        1, 'Members of the run, one program that trains as many: of seed, seed + 1, ...', high=1024
    ),
    'sweep': keys.text(
        '',
        'A number and the values that it has in members of the run, KEY=[A, B, ...], each with '
        'every seed.',
    ),
    'batch_size': keys.count(64, 'Real images of a step, over all devices.'),
    'init': keys.path(
        '', 'Folder of the run whose networks a new run begins with; empty for untrained ones.'
    ),
    'duration': keys.duration('10ep', 'Length of the run.', learns=False),
    'data': DATA,
    'accumulate': keys.count(1, 'Parts of a batch whose gradients are summed, to save memory.'),
    'steps_per_call': keys.count(1, 'Steps that one call of the program takes.', learns=False),
    'parallel': keys.choice(
        'pmap', tuple(parallel.BACKENDS), 'How a step is spread over devices.', learns=False
    ),
    'deterministic': keys.flag(False, 'Use deterministic kernels on a GPU.', learns=False),
    'precision': keys.choice('float32', ('float32', 'bfloat16'), 'Type of activations.'),
    'devices': keys.count(0, 'Devices to train on; 0 for all.', low=0, learns=False),
    'on_collapse': keys.choice(
        'warn',
        ('warn', 'stop', 'restore'),
        'What is done of a symptom that lasts (docs/diagnosis.md), beside the warning.',
        learns=False,
    ),
    'log': {'every': keys.period('100st', 'How often scalars are written.')},
    'sample': {'every': keys.period('1ep', 'How often a picture is written.')},
    'checkpoint': {
        'every': keys.period('1ep', 'How often the state is saved.'),
        'keep': keys.count(2, 'Newest checkpoints that are kept.', learns=False),
        'keep_every': keys.period('0st', 'Checkpoints at multiples of this are kept for good.'),
        'best': keys.text('', 'Score whose best checkpoint is kept.', learns=False),
        'best_mode': keys.choice('min', ('min', 'max'), 'Which score is best.', learns=False),
    },
    'eval': {
        'every': keys.period('0st', 'How often metrics are measured; at the end in any case.'),
    },
}

# What of a key is a duration, by its kind and whether it holds a schedule.
DURATIONS = {
    ('duration', False): ('',),
    ('moving duration', False): ('',),
    ('moving duration', True): ('first', 'final', 'start', 'stop'),
    ('value', True): ('start', 'stop'),
}


def _of_algorithm(name: str) -> dict[str, Any]:
    own = algorithms.find(name).KEYS
    sample = {**COMMON['sample'], **own.get('sample', {})}
    return {**COMMON, **own, 'sample': sample, 'eval': {**COMMON['eval'], **options.of_a_run()}}


KEYS = nodes.Named('gan', algorithms.names, _of_algorithm, 'Training procedure.', 'algorithm')


def base(algorithm: str = 'gan') -> ConfigDict:
    """Return the keys of a run by an algorithm, with their defaults.

    Raises:
      UserError: there is no such algorithm.
    """
    return ConfigDict(nodes.fill(KEYS, {'algorithm': algorithm}))


def settle(config: ConfigDict) -> ConfigDict:
    """Give a config the keys that its parts read; return it.

    Keys that it lacks come with their defaults; those at the default of a part that it named
    before, as `base` did, go. Others that nothing reads stay, for `validate` to refuse.

    Raises:
      UserError: there is no part of a name.
    """
    nodes.prune(KEYS, config, nodes.left_over)
    return nodes.fill(KEYS, config)


def settled(config: ConfigDict) -> ConfigDict:
    """Return a copy that is settled; see `settle`."""
    return settle(ConfigDict(config.to_dict()))


def flatten(config: ConfigDict, prefix: str = '') -> dict[str, Any]:
    """Return a config's leaves by dotted key."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, ConfigDict) and len(value):
            flat |= flatten(value, f'{prefix}{key}.')
        else:
            flat[prefix + key] = value.to_dict() if isinstance(value, ConfigDict) else value
    return flat


def resolve(config: ConfigDict, epoch: int) -> ConfigDict:
    """Return a copy whose durations are ints of images, for an epoch of `epoch` images.

    Periods stay as they are, since they may count steps.
    """
    resolved = settled(config)
    for name, place, at in _durations(resolved):
        images = Duration.parse(place[at], name).images(config.batch_size, epoch)
        with place.ignore_type():
            place[at] = images
    return resolved


def validate_durations(resolved: ConfigDict) -> None:
    """Refuse durations of a resolved config that are of more images than a run counts.

    Raises:
      UserError: names the key and its images.
    """
    for name, place, at in _durations(resolved):
        if place[at] > MOST:
            raise UserError(f'{name} is {place[at]} images: at most {MOST} are counted')


def _durations(config: ConfigDict) -> Iterator[tuple[str, Any, str]]:
    """Yield (dotted key, node, key in the node) of each duration, also those of schedules."""
    for name, key in nodes.flat(KEYS, config):
        parent_key, _, leaf = name.rpartition('.')
        parent = node(config, parent_key)
        inside = allowed.nested(parent[leaf])
        for part in DURATIONS.get((key.kind, inside), ()):
            place, at = (parent[leaf], part) if inside else (parent, leaf)
            if at in place:
                yield name, place, at


def differences(old: ConfigDict, new: ConfigDict) -> tuple[list[str], list[str]]:
    """Return the keys in which two configs differ: those that must not, and those that may."""
    free = nodes.may_change(KEYS, new)
    was, now = flatten(old), flatten(new)
    differ = [
        k for k in sorted({*was, *now}) if allowed.plain(was.get(k)) != allowed.plain(now.get(k))
    ]
    said = {k: f'{k} ({was.get(k)!r} -> {now.get(k)!r})' for k in differ}
    return [said[k] for k in differ if k not in free], [said[k] for k in differ if k in free]


def check(config: ConfigDict) -> None:
    """Refuse keys that nothing reads and values that a key does not allow.

    Raises:
      UserError: names the key, the value and what is allowed.
    """
    nodes.check(KEYS, settled(config))


def validate(config: ConfigDict) -> None:
    """Refuse what can be known to be wrong before data is opened and anything is compiled.

    Raises:
      UserError: names the key, the value and what is allowed.
    """
    config = settled(config)
    nodes.check(KEYS, config)
    resolved = resolve(config, 1_000_000)
    for name, optimiser in resolved.optim.items():
        optim.make(optimiser, f'optim.{name}.')
    _validate_range(config)
    _validate_batch(config)
    check = getattr(algorithm(config), 'check', None)
    if check:
        check(resolved)


def algorithm(config: ConfigDict) -> Any:
    """Return the module of the algorithm that a config names."""
    return algorithms.find(config.algorithm)


def _validate_range(config: ConfigDict) -> None:
    """Refuse an output activation that cannot make the values that the data has."""
    span = config.data.range
    fitting = {'[-1,1]': 'tanh', '[0,1]': 'sigmoid'}[span]
    for name, act in flatten(config.get('model', {})).items():
        if name.endswith('.out_act') and act not in (fitting, 'linear'):
            raise UserError(
                f"model.{name}='{act}' is not allowed: it must be '{fitting}' or 'linear' for "
                f"data.range='{span}' (tanh: [-1,1], sigmoid: [0,1])"
            )


def _validate_batch(config: ConfigDict) -> None:
    present = jax.device_count()
    if config.devices > present:
        raise UserError(
            f'devices={config.devices} is not allowed: it must be from 1 to the {present} present, '
            'or 0 for all'
        )
    devices = config.devices or present
    share = devices * config.accumulate
    if config.batch_size % share:
        raise UserError(
            f'batch_size={config.batch_size} does not divide by {devices} devices x '
            f'accumulate={config.accumulate}: take a multiple of {share}'
        )


def classes(config: ConfigDict) -> int:
    """Return the classes of a conditional model, 0 for one that has none."""
    return config.get('model', {}).get('classes', 0)


def validate_data(config: ConfigDict, spec: data.Spec) -> None:
    """Refuse a model with more classes than the data has, or where labels are unknown.

    Raises:
      UserError: names the key, the value and what is allowed.
    """
    asked = classes(config)
    if asked and not spec.num_classes:
        raise UserError(
            f'model.classes={asked} asks for labels, but data.name={config.data.name!r} has none'
        )
    if asked > spec.num_classes:
        raise UserError(
            f'model.classes={asked} is more than the {spec.num_classes} classes of '
            f'data.name={config.data.name!r}'
        )
    if asked and spec.unknown:
        raise UserError(
            f'model.classes={asked} needs every label, but {spec.unknown} of '
            f'data.name={config.data.name!r} are unknown (-1)'
        )


def node(config: ConfigDict, dotted: str) -> Any:
    """Return the value of a dotted key; the config itself for an empty one."""
    for key in dotted.split('.') if dotted else ():
        config = config[key]
    return config
