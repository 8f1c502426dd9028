"""The members of a run by its config: their own configs, procedure, keys and data."""

import ast
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from gan_jax import algorithms
from gan_jax import config as configs
from gan_jax.algorithms.members import Members, of_member
from gan_jax.algorithms.protocol import Procedure
from gan_jax.core import nodes, rng
from gan_jax.data import pipeline as pipelines
from gan_jax.data.joint import Joint
from gan_jax.errors import UserError

FORM = "write KEY=[A, B, ...], as in sweep='optim.g.lr=[1e-4, 1e-3]'"
NUMBERS = ('number', 'value', 'probability')


class Sweep(NamedTuple):
    """Hold a number of a config by its dotted key, and the values that it takes."""

    key: str
    values: tuple[float, ...]


def sweep(config: ConfigDict) -> Sweep | None:
    """Return what config.sweep says, None for nothing.

    Raises:
      UserError: it is not of that form, or there is no such number.
    """
    if not config.sweep:
        return None
    key, _, text = config.sweep.partition('=')
    key = key.strip()
    try:
        found = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        found = None
    if not isinstance(found, list | tuple) or len(set(map(str, found))) < max(2, len(found)):
        raise UserError(
            f'sweep={config.sweep!r} is not allowed: {FORM}, with two or more different values'
        )
    _check_key(config, key)
    return Sweep(key, tuple(found))


def _check_key(config: ConfigDict, key: str) -> None:
    """Refuse to sweep what is no number that a step computes with."""
    declared = dict(nodes.flat(configs.KEYS, config))
    if key not in declared:
        raise nodes.unknown_key(configs.KEYS, config, key)
    first = key.partition('.')[0]
    if first not in algorithms.find(config.algorithm).KEYS or declared[key].kind not in NUMBERS:
        numbers = [
            name
            for name, one in declared.items()
            if one.kind in NUMBERS and name.partition('.')[0] in ('loss', 'optim', 'terms')
        ]
        raise UserError(
            f'sweep: {key} cannot be swept, but numbers that a step computes with, such as '
            f'{", ".join(numbers)}'
        )


def alone(config: ConfigDict) -> list[ConfigDict]:
    """Return the config of each member as a run of its own: for each value, every seed.

    Raises:
      UserError: see `sweep`.
    """
    swept = sweep(config)
    found = []
    for value in swept.values if swept else (None,):
        for at in range(config.seeds):
            one = ConfigDict(config.to_dict())
            with one.ignore_type():
                one.update(seed=config.seed + at, seeds=1, sweep='')
                if swept:
                    one.update_from_flattened_dict({swept.key: value})
            found.append(one)
    return found


def many(config: ConfigDict) -> bool:
    """Return whether a run has more members than one."""
    return config.seeds > 1 or bool(config.sweep)


def count(config: ConfigDict) -> int:
    """Return the number of members of a run, 0 for one that has none."""
    return len(alone(config)) if many(config) else 0


def build(config: ConfigDict, epoch: int, spec: Any) -> Procedure:
    """Build the algorithm of a config, of all its members if there are several.

    Raises:
      UserError: something does not fit together, or the algorithm cannot have members.
    """
    make = configs.algorithm(config).build
    if not many(config):
        return make(configs.resolve(config, epoch), spec)
    # Those that differ in their seed alone are of one procedure.
    own = alone(config)[:: config.seeds]
    each = [make(configs.resolve(one, epoch), spec) for one in own]
    _check(config, each[0])
    every = tuple(procedure for procedure in each for _ in range(config.seeds))
    swept = sweep(config)
    if not swept:
        return Members(every)
    resolved = configs.resolve(config, epoch)

    def of_value(value: Any) -> Procedure:
        own = ConfigDict(resolved.to_dict())
        with own.ignore_type():
            own.update_from_flattened_dict({swept.key: value})
        return make(own, spec)

    values = tuple(float(value) for value in swept.values for _ in range(config.seeds))
    return Members(every, values, of_value, swept.key)


def _check(config: ConfigDict, one: Procedure) -> None:
    """Refuse what several members cannot have."""
    asked = f'sweep={config.sweep!r}' if config.sweep else f'seeds={config.seeds}'
    if len(one.phases()) > 1:
        raise UserError(
            f'{asked} is not for algorithm={config.algorithm!r}, whose phases are programs of '
            'their own: train a run for each'
        )
    if config.init or one.frozen():
        raise UserError(f'{asked} is not for runs that take networks of other runs')
    if config.sample.get('walk', 0):
        raise UserError(
            f'sample.walk={config.sample.walk} is not for several members: --mode=interpolate '
            '--member=M walks through the latents of one'
        )
    if config.on_collapse != 'warn':
        raise UserError(
            f'on_collapse={config.on_collapse!r} is not for several members: one that diverges '
            "stays as it was, and the others go on; available: 'warn'"
        )


def key(config: ConfigDict) -> jax.Array:
    """Return the root key of a run, or those of its members [members]."""
    if not many(config):
        return rng.root(config.seed)
    return rng.wrap(jnp.stack([jax.random.key_data(rng.root(one.seed)) for one in alone(config)]))


def own(run: Any) -> tuple[jax.Array, jax.Array | None]:
    """Return the key data and the swept value of a run, or those of its members [members]."""
    # A typed key would go through the host at each call of a pmap over several processes.
    return jax.random.key_data(run.key), run.algorithm.swept()


def pipeline(config: ConfigDict, examples: Any, **options: Any) -> pipelines.Pipeline:
    """Make the pipeline of a run, or that of its members."""
    each = [
        pipelines.make(examples, config.data, seed=one.seed, **options) for one in alone(config)
    ]
    return Joint(each) if many(config) else each[0]


def choose(
    config: ConfigDict, member: int | None, scalars: dict[str, float]
) -> tuple[int, ConfigDict]:
    """Return a member and its config: the one that is named, or the best by checkpoint.best.

    Without such a score it is the first. A run of one has the member 0.

    Raises:
      UserError: there is no such member, or no member has that score.
    """
    each = alone(config)
    if member is not None and not 0 <= member < len(each):
        raise UserError(f'member={member} is not allowed: the run has members 0 to {len(each) - 1}')
    best = config.checkpoint.best
    if member is None and best and many(config):
        scores = {at: scalars.get(of_member(at, best)) for at in range(len(each))}
        found = {at: score for at, score in scores.items() if score is not None}
        if not found:
            raise UserError(
                f'checkpoint.best={best!r} was measured of no member, so that none is the best: '
                f'name one, member=0 to {len(each) - 1}'
            )
        pick = min if config.checkpoint.best_mode == 'min' else max
        member = pick(found, key=found.__getitem__)
    return member or 0, each[member or 0]
