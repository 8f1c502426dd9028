"""What algorithms that make images of images have in common."""

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax import models
from gan_jax.core import keys, losses, nodes, rng
from gan_jax.core.game import verdict
from gan_jax.core.losses import Adversarial
from gan_jax.core.state import Mean, Metrics, Net, apply
from gan_jax.errors import UserError
from gan_jax.nn.translator import Translator

D_WEIGHT = {
    'd_weight': keys.number(
        0.5, "Weight of the discriminator's loss: it is to learn no faster than the other.", above=0
    )
}


def loss_keys(default: str, **own: keys.Key) -> nodes.Named:
    """Return the declaration of config.loss: the adversarial loss, and an algorithm's own keys."""
    return nodes.Named(
        default,
        losses.names,
        lambda name: {**losses.options(name), **own},
        'Adversarial loss.',
    )


def adversarial(config: Any) -> Adversarial:
    """Return the adversarial loss of a resolved config.

    Raises:
      UserError: it compares all logits of a batch, which accumulation takes apart.
    """
    loss = config.loss
    made = losses.make(loss.name, **{k: loss[k] for k in losses.options(loss.name)})
    if made.over_batch and config.accumulate > 1:
        raise UserError(
            f'accumulate={config.accumulate} is not allowed with loss.name={loss.name!r}, which '
            'compares the whole batch; available: 1'
        )
    return made


def fields(spec: Any, names: tuple[str, str], source: str) -> list[tuple[int, int, int]]:
    """Return the shapes of two fields of images of one size.

    source: the data source that has such fields, for a message.

    Raises:
      UserError: the data has no such fields, or their sizes differ.
    """
    if any(name not in spec.images for name in names):
        wanted, found = ' and '.join(names), ', '.join(spec.fields)
        raise UserError(
            f'this algorithm reads the fields {wanted}, as data.name={source} has them; available: '
            f'{found}'
        )
    shapes = [spec.fields[name].shape for name in names]
    if shapes[0][:2] != shapes[1][:2]:
        (h, w), (height, width) = (shape[:2] for shape in shapes)
        raise UserError(
            f'{names[0]} has images of {h}x{w}, {names[1]} of {height}x{width}: they must have one '
            'size; set data.size'
        )
    return shapes


def translator(config: Any, shape: tuple[int, int, int]) -> Translator:
    """Return a generator of images of a shape.

    Raises:
      UserError: the config names a network that makes no images of images.
    """
    module = models.build(config.model, 'g', shape, config.precision)
    if not isinstance(module, Translator):
        file = type(module).__module__.rpartition('.')[2]
        raise UserError(
            f'model.g is {file}.{type(module).__name__}, which makes no images of images; '
            'available: cyclegan.Generator, unet.Generator'
        )
    return module


def judge(module: nn.Module, net: Net, images: jax.Array, keys: jax.Array, draws: str) -> Any:
    """Return a discriminator's logits of images, and its net after them."""
    found, net = apply(module, net, images, keys=rng.split_each(keys, draws))
    return verdict(found).logits, net


def d_metrics(name: str, losses: jax.Array, loss: Adversarial, real: Any, fake: Any) -> Metrics:
    """Return the means of a discriminator's update, by its name."""
    return {
        f'{name}_loss': Mean.of(losses),
        f'{name}_real_accuracy': Mean.of(real > loss.threshold),
        f'{name}_fake_accuracy': Mean.of(fake <= loss.threshold),
    }


def apart(a: jax.Array, b: jax.Array, of: Callable[[jax.Array], jax.Array] = jnp.abs) -> jax.Array:
    """Return the mean [B] of some measure of the differences of arrays [B, ...]."""
    return of(a - b).mean(axis=tuple(range(1, a.ndim)))


def laid_out(rows: list[jax.Array], channels: int) -> jax.Array:
    """Return rows of images [n, H, W, any] as [rows, n, H, W, channels], to be shown.

    Channels that are too many are left out; the last one stands for those that are missing.
    """
    chosen = (x[..., jnp.minimum(jnp.arange(channels), x.shape[-1] - 1)] for x in rows)
    return jnp.stack(list(chosen))


def weights(config: Any, cls: Any) -> Any:
    """Return the weights of a loss from the keys of the config that a dataclass names."""
    node: Mapping[str, Any] = config.loss
    return cls(**{name: node[name] for name in cls.__dataclass_fields__})
