"""The folder of a run that was never trained here: a config, and a checkpoint of step 0."""

import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax import config as configs
from gan_jax import models
from gan_jax.core import rng
from gan_jax.core.state import Net, TrainState
from gan_jax.data.protocol import Spec, image_spec
from gan_jax.errors import UserError
from gan_jax.pretrained import names, sizes
from gan_jax.pretrained.reading import Found
from gan_jax.training import record
from gan_jax.training import workdir as folders
from gan_jax.training.checkpoint import Checkpoints
from gan_jax.training.progress import Progress


def write(found: Mapping[str, Found], out: pathlib.Path, data: str = '') -> Any:
    """Write a run's folder of networks that were read; return its config.

    data: a folder, zip or tar of images, which metrics will compare with. Without a D, the
    discriminator of the run has not learnt; without a G or a G_ema, both are the one there is.

    Raises:
      UserError: the folder holds a run or cannot be written, or the networks are none of StyleGAN2.
    """
    if folders.holds_run(out):
        raise UserError(f'{out} holds a run already: take another folder')
    config, spec = describe(found, data)
    algorithm = configs.algorithm(config).build(configs.resolve(config, 1), spec)
    state = start(algorithm, found)
    with folders.opened(out, config, dict, False), Checkpoints(out / 'checkpoints') as checkpoints:
        meta = {
            **Progress().meta({}),
            'config': folders.as_json(config),
            'spec': {**spec.to_json(), 'size': 1},
            'versions': folders.versions(),
        }
        checkpoints.save(0, state, meta)
    return config


def describe(found: Mapping[str, Found], data: str) -> tuple[Any, Spec]:
    """Return the config of networks, and the spec of images as theirs.

    Raises:
      UserError: the networks are none of StyleGAN2, or do not fit each other.
    """
    g = sizes.generator(*(found.get('G_ema') or found['G']))
    shape, classes = g.pop('shape'), g.pop('classes')
    d = {key: g[key] for key in ('width', 'base', 'clamp', 'half')}
    if 'D' in found:
        d = sizes.discriminator(*found['D'])
        fits = {'shape': d.pop('shape'), 'classes': d.pop('classes')}
        if fits != {'shape': shape, 'classes': classes}:
            raise UserError(
                f'G makes images of {shape} and {classes} classes, and D sees those of '
                f'{fits["shape"]} and {fits["classes"]}'
            )
    config = configs.base()
    config.model = models.node('stylegan2', prior='normal', classes=classes, g=g, d=d)
    config.data.update({'name': 'folder', 'path': data})
    config.data = configs.settled(config).data
    config.data.update({'size': str(shape[0]), 'channels': shape[2]})
    config.ema.half_life = '10kimg'
    config.duration = '1000kimg'
    config = configs.settled(config)
    return config, image_spec(shape, classes=map(str, range(classes)))


def start(algorithm: Any, found: Mapping[str, Found]) -> TrainState:
    """Return the state of a run that has seen nothing, with the networks that were read.

    Raises:
      UserError: a weight is missing, is one too many, or has another shape.
    """
    key = rng.root(0)
    state = jax.eval_shape(algorithm.init, key)
    if 'D' not in found:
        state = jax.jit(algorithm.init)(key)
    nets = dict(state.nets)
    both = {name: found[name] for name in ('G', 'G_ema') if name in found}
    g, ema = (both.get(name, next(iter(both.values()))) for name in ('G', 'G_ema'))
    nets['g'] = net(algorithm, 'g', nets['g'], g, ema)
    if 'D' in found:
        nets['d'] = net(algorithm, 'd', nets['d'], found['D'])
    zero = jnp.zeros((), jnp.int32)
    return state.replace(step=zero, images=zero, nets=nets)


def net(algorithm: Any, name: str, there: Net, read: Found, ema: Found | None = None) -> Net:
    """Return a net with the weights that were read, whose optimiser has made no step."""
    rules = names.GENERATOR if name == 'g' else names.DISCRIMINATOR
    variables = names.variables(rules, read.weights)
    check(name, there.variables, variables)
    averaged = names.variables(rules, ema.weights) if ema else None
    if averaged is not None:
        check(name, there.variables, averaged)
    params = variables.pop('params')
    return Net(params, variables, algorithm.tx[name].init(params), averaged)


def check(name: str, wanted: Mapping[str, Any], read: Mapping[str, Any]) -> None:
    """Raise UserError for variables of other names or shapes than those of a network."""
    if differs := record.difference(record.shapes(dict(read)), record.shapes(dict(wanted))):
        raise UserError(f'unknown architecture: {name}.{differs}')
