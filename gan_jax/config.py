"""What a config holds, what is wrong with one, and its durations resolved to images."""

import importlib
import pkgutil
from collections.abc import Iterable
from typing import Any

import jax
from ml_collections import ConfigDict

from gan_jax import data, terms
from gan_jax.core import keys, losses, optim
from gan_jax.core.duration import Duration
from gan_jax.errors import UserError, nearest
from gan_jax.metrics import options
from gan_jax.runtime import parallel
from gan_jax.terms.passes import PASSES

# Keys whose values are durations; 'every' keys stay as they are, since they may count steps.
DURATIONS = ('duration', 'ema.half_life')
PERIODS = ('log.every', 'sample.every', 'checkpoint.every', 'checkpoint.keep_every', 'eval.every')
AT_LEAST_ONE = ('batch_size', 'accumulate', 'steps_per_call', 'loss.n_critic', 'sample.rows',
                'sample.columns', 'checkpoint.keep')  # fmt: skip
CHOICES = {
    'parallel': tuple(parallel.BACKENDS),
    'precision': ('float32', 'bfloat16'),
    'loss.batching': tuple(PASSES),
    'checkpoint.best_mode': ('min', 'max'),
    'data.range': ('[-1,1]', '[0,1]'),
}
# Keys that change what a run reports, not what it learns: a resumed run may differ in them.
HARMLESS = ('duration', 'deterministic', 'log', 'sample', 'checkpoint', 'eval', 'steps_per_call',
            'parallel', 'devices', 'data.workers', 'data.resident_mb', 'data.path')  # fmt: skip


def base() -> ConfigDict:
    """Return the keys that every config has, with their defaults."""
    optimiser = optim.defaults()
    return ConfigDict(
        {
            'seed': 0,
            'batch_size': 64,
            'duration': '10ep',
            'algorithm': 'gan',
            'model': {},
            'loss': {
                'name': 'nonsaturating',
                'args': {},
                'real': (1.0, 1.0),
                'fake': (0.0, 0.0),
                'flip': 0.0,
                'noise': 0.0,
                'batching': 'two_batches',
                'reuse_z': False,
                'n_critic': 1,
            },
            'terms': {},
            'optim': {'g': optimiser, 'd': optim.defaults()},
            'data': data.defaults(),
            'ema': {'half_life': '0img', 'ramp': 0.0},
            'accumulate': 1,
            'steps_per_call': 1,
            'parallel': 'pmap',
            'deterministic': False,
            'precision': 'float32',
            'devices': 0,
            'log': {'every': '100st'},
            'sample': {'every': '1ep', 'rows': 8, 'columns': 8},
            'checkpoint': {
                'every': '1ep',
                'keep': 2,
                'keep_every': '0st',
                'best': '',
                'best_mode': 'min',
            },
            'eval': {'every': '0st', **keys.defaults(options.of_a_run())},
        }
    )


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
    """Return a copy whose durations are ints of images, for an epoch of `epoch` images."""
    resolved = ConfigDict(config.to_dict())
    schedules = [f'optim.{n}.schedule.{k}' for n in config.optim for k in ('start', 'stop')]
    for key in (*DURATIONS, *schedules):
        parent_key, _, leaf = key.rpartition('.')
        parent = node(resolved, parent_key)
        if leaf in parent:
            images = Duration.parse(parent[leaf], key).images(config.batch_size, epoch)
            with parent.ignore_type():
                parent[leaf] = images
    _resolve_schedules(resolved.terms, 'terms.', config.batch_size, epoch)
    return resolved


def _resolve_schedules(node: ConfigDict, prefix: str, batch_size: int, epoch: int) -> None:
    """Turn the ends of all schedules below a node into images."""
    for key, value in node.items():
        name = prefix + key
        if isinstance(value, ConfigDict):
            _resolve_schedules(value, f'{name}.', batch_size, epoch)
        elif 'first' in node and key in ('start', 'stop'):
            with node.ignore_type():
                node[key] = Duration.parse(value, name).images(batch_size, epoch)


def differences(old: dict[str, Any], new: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the keys in which two flat configs differ: those that matter, and harmless ones."""
    differ = [
        f'{k} ({old.get(k)!r} -> {new.get(k)!r})'
        for k in sorted({*old, *new})
        if _plain(old.get(k)) != _plain(new.get(k))
    ]
    harmless = [d for d in differ if d.startswith(HARMLESS)]
    return [d for d in differ if d not in harmless], harmless


def validate(config: ConfigDict) -> None:
    """Refuse what can be known to be wrong before data is opened and anything is compiled.

    Raises:
      UserError: names the key, the value and what is allowed.
    """
    for key in AT_LEAST_ONE:
        _require(node(config, key) >= 1, key, node(config, key), 'at least 1')
    for key in (*DURATIONS, *PERIODS):
        Duration.parse(node(config, key), key)
    for key, allowed in CHOICES.items():
        one_of(key, node(config, key), allowed)
    algorithm(config)
    _validate_optimisers(config)
    _validate_loss(config)
    _validate_range(config)
    _validate_batch(config)
    _require(config.ema.ramp >= 0, 'ema.ramp', config.ema.ramp, '0 for none, or more')


def algorithm(config: ConfigDict) -> Any:
    """Return the module of the algorithm that a config names."""
    package = importlib.import_module('gan_jax.algorithms')
    names = [m.name for m in pkgutil.iter_modules(package.__path__) if m.name != 'protocol']
    one_of('algorithm', config.algorithm, names)
    return importlib.import_module(f'gan_jax.algorithms.{config.algorithm}')


def _validate_optimisers(config: ConfigDict) -> None:
    for name, optimiser in resolve(config, 1_000_000).optim.items():
        try:
            optim.check(optimiser, config.batch_size)
        except UserError as error:
            raise UserError(f'optim.{name}: {error}') from error


def _validate_loss(config: ConfigDict) -> None:
    loss = config.loss
    adversarial = losses.make(loss.name, **loss.args)
    for key in ('real', 'fake'):
        soft = tuple(loss[key])
        fits = len(soft) == 2 and 0 <= soft[0] <= soft[1]
        _require(fits, f'loss.{key}', soft, 'a range (low, high) of targets, 0 <= low <= high')
    _require(0 <= loss.flip <= 1, 'loss.flip', loss.flip, 'a probability from 0 to 1')
    plain = tuple(loss.real) == (1, 1) and tuple(loss.fake) == (0, 0) and not loss.flip
    _require(
        plain or adversarial.toward is not None,
        'loss.name',
        loss.name,
        'nonsaturating, minimax or least_squares where loss.real, loss.fake or loss.flip is set',
    )
    terms.build(resolve(config, 1_000_000).terms)


def _validate_range(config: ConfigDict) -> None:
    """Refuse an output activation that cannot make the values that the data has."""
    spans = {'[-1,1]': 'tanh', '[0,1]': 'sigmoid'}
    for part in ('g', 'decoder'):
        if 'out_act' in config.model.get(part, {}):
            act, span = config.model[part].out_act, config.data.range
            _require(
                act == spans[span],
                f'model.{part}.out_act',
                act,
                f"'{spans[span]}' for data.range='{span}' (tanh: [-1,1], sigmoid: [0,1])",
            )


def _validate_batch(config: ConfigDict) -> None:
    present = jax.device_count()
    chosen = f'from 1 to the {present} present, or 0 for all'
    _require(0 <= config.devices <= present, 'devices', config.devices, chosen)
    devices = config.devices or present
    share = devices * config.accumulate
    if config.batch_size % share:
        raise UserError(
            f'batch_size={config.batch_size} does not divide by {devices} devices x '
            f'accumulate={config.accumulate}: take a multiple of {share}'
        )


def validate_data(config: ConfigDict, spec: data.Spec) -> None:
    """Refuse a model with more classes than the data has, or where labels are unknown.

    Raises:
      UserError: names the key, the value and what is allowed.
    """
    asked = config.model.get('classes', 0)
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


def one_of(key: str, value: str, allowed: Iterable[str]) -> None:
    """Raise UserError where a key's value is not among the allowed, offering the nearest."""
    allowed = sorted(allowed)
    if value not in allowed:
        there = ', '.join(allowed)
        raise UserError(f'{key}={value!r} is not known{nearest(value, allowed)}; there is: {there}')


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _require(condition: bool, key: str, value: Any, allowed: str) -> None:
    if not condition:
        raise UserError(f'{key}={value!r} is not allowed: it must be {allowed}')
