"""The algorithm super_resolution: its keys, their checks, and the procedure that they describe."""

from typing import Any

from gan_jax import models
from gan_jax.algorithms import translation
from gan_jax.algorithms.protocol import EMA, Phase
from gan_jax.algorithms.restoration import FIRST, SECOND, SuperResolution, Weights
from gan_jax.core import keys, nodes, optim, values
from gan_jax.core.update import Ema
from gan_jax.perceptual import vgg16, weights

SHARES: dict[str, keys.Key] = {
    'first': keys.duration('500kimg', 'Length of the first stage, of the squared error alone.'),
    'pixels': keys.number(0.0, 'Weight of the squared error in the second stage.', low=0),
    'perceptual': keys.number(
        0.006, "Weight of the squared error of VGG16's features in the second stage.", low=0
    ),
    'adversarial': keys.number(1e-3, 'Weight of the adversarial loss.', low=0),
    'block': keys.count(5, 'Block of VGG16 whose features are compared.', high=len(vgg16.BLOCKS)),
}
KEYS: nodes.Keys = {
    'model': models.declare('srgan', 'g', 'd'),
    'loss': translation.loss_keys('nonsaturating', **SHARES),
    'optim': {'g': optim.KEYS, 'd': optim.KEYS},
    'ema': EMA,
    'sample': {'columns': keys.count(8, 'Images in the picture of a run.', learns=False)},
}


def check(config: Any) -> None:
    """Refuse a second stage by VGG16 where its weights are not there, or not the published ones.

    config: resolved.

    Raises:
      UserError: says how to install them, or what was found.
    """
    if config.loss.perceptual and config.duration > config.loss.first:
        weights.load()


def stages(config: Any) -> tuple[Phase, ...]:
    """Return the stages of a resolved config; one of no length is left out."""
    first = min(config.loss.first, config.duration)
    both = (0, first, FIRST), (first, config.duration, SECOND)
    return tuple(Phase(end, 0, config.batch_size, name) for start, end, name in both if end > start)


def build(config: Any, spec: Any) -> SuperResolution:
    """Build the procedure that a resolved config describes, for images of a spec.

    Raises:
      UserError: a network does not fit the images, or a loss of whole batches accumulation.
    """
    return SuperResolution(
        generator=models.build(config.model, 'g', spec.shape, config.precision),
        discriminator=models.build(config.model, 'd', spec.shape, config.precision),
        tx={name: optim.make(config.optim[name], f'optim.{name}.') for name in ('g', 'd')},
        loss=translation.adversarial(config),
        weights=translation.weights(config, Weights),
        shape=spec.shape,
        stretches=stages(config),
        span=config.data.range,
        field=spec.main,
        ema=Ema(values.make(config.ema.half_life, 'ema.half_life'), config.ema.ramp),
        accum=config.accumulate,
        columns=config.sample.columns,
    )
