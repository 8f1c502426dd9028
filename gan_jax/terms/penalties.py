"""Gradient penalties of the discriminator: (d_fn, real, fake, keys) -> [B], unreduced.

`d_fn` maps images [B, H, W, C] to logits [B] (or [B, h, w]: they are summed), its parameters and
labels closed over. It must treat examples separately: batch statistics would mix their gradients.
`keys` are one typed key per example, so that draws do not depend on the number of devices. Images
get no gradient: penalties train the discriminator alone.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.errors import UserError, nearest
from gan_jax.runtime import parallel

DFn = Callable[[jax.Array], jax.Array]
PenaltyFn = Callable[[DFn, jax.Array, jax.Array, jax.Array], jax.Array]


@dataclasses.dataclass(frozen=True)
class Penalty:
    """Name a penalty, with its weight, and apply it every so many steps of the discriminator.

    `weight` is the weight at every step; whoever applies the penalty lazily multiplies it.
    `on_fake`: its images are generated ones, which have labels of their own.
    """

    name: str
    fn: PenaltyFn
    weight: float = 1.0
    every: int = 1
    on_fake: bool = False


def squared_gradient(d_fn: DFn, images: jax.Array) -> jax.Array:
    """Return |dD/dx|^2 of every example, over all its axes, as [B]."""
    gradient = jax.grad(lambda x: d_fn(x).sum())(jax.lax.stop_gradient(images))
    return jnp.square(gradient).reshape(len(images), -1).sum(axis=1)


def gradient_norm(d_fn: DFn, images: jax.Array) -> jax.Array:
    """Return |dD/dx| of every example, [B], with a zero derivative where the gradient is zero."""
    squared = squared_gradient(d_fn, images)
    positive = squared > 0
    # Two selections: the derivative of sqrt at 0 is infinite, and infinity times 0 is not 0.
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1.0)), 0.0)


def r1(d_fn: DFn, real: jax.Array, fake: jax.Array, keys: jax.Array) -> jax.Array:
    """Return |dD/dx|^2 / 2 at real images, so that the weight is the paper's gamma.

    Mescheder et al. 2018 (arXiv:1801.04406, eq. 9).
    """
    del fake, keys
    return 0.5 * squared_gradient(d_fn, real)


def r2(d_fn: DFn, real: jax.Array, fake: jax.Array, keys: jax.Array) -> jax.Array:
    """Return |dD/dx|^2 / 2 at generated images (Mescheder et al. 2018, arXiv:1801.04406)."""
    del real, keys
    return 0.5 * squared_gradient(d_fn, fake)


def interpolate(real: jax.Array, fake: jax.Array, keys: jax.Array) -> jax.Array:
    """Return a x + (1 - a) y of real x and generated y, with one a ~ U(0, 1) per example."""
    alpha = jax.vmap(lambda key: jax.random.uniform(key, (), real.dtype))(keys)
    alpha = alpha.reshape((-1,) + (1,) * (real.ndim - 1))
    return alpha * real + (1.0 - alpha) * fake


def gradient_penalty(
    d_fn: DFn,
    real: jax.Array,
    fake: jax.Array,
    keys: jax.Array,
    *,
    target: float = 1.0,
    one_sided: bool = False,
) -> jax.Array:
    """Return (|dD/dx| - target)^2 between real and generated images.

    Gulrajani et al. 2017 (arXiv:1704.00028, eq. 3), WGAN-GP; the paper's weight is 10. With
    `one_sided` only norms above the target are penalised (Petzka et al. 2018, arXiv:1709.08894).
    Another target than 1 gives the penalty of Karras et al. 2018 (arXiv:1710.10196, section A.1) up
    to its factor 1 / target^2.
    """
    excess = gradient_norm(d_fn, interpolate(real, fake, keys)) - target
    return jnp.square(jax.nn.relu(excess) if one_sided else excess)


def zero_centred(d_fn: DFn, real: jax.Array, fake: jax.Array, keys: jax.Array) -> jax.Array:
    """Return |dD/dx|^2 between real and generated images.

    Thanh-Tung et al. 2019 (arXiv:1902.03984), 0-GP.
    """
    return squared_gradient(d_fn, interpolate(real, fake, keys))


def perturb(real: jax.Array, keys: jax.Array, spread: float = 0.5) -> jax.Array:
    """Return x + a spread s u of real x, with a ~ U(0, 1) per example and u ~ U(0, 1) per element.

    s is the standard deviation of the batch on all devices.
    """
    mean = parallel.pmean(jnp.mean(real))
    deviation = jnp.sqrt(parallel.pmean(jnp.mean(jnp.square(real - mean))))

    def noise(key: jax.Array) -> jax.Array:
        alpha, u = jax.random.split(key)
        shape = real.shape[1:]
        return jax.random.uniform(alpha, (), real.dtype) * jax.random.uniform(u, shape, real.dtype)

    return real + spread * deviation * jax.vmap(noise)(keys)


def dragan(
    d_fn: DFn,
    real: jax.Array,
    fake: jax.Array,
    keys: jax.Array,
    *,
    target: float = 1.0,
    spread: float = 0.5,
) -> jax.Array:
    """Return (|dD/dx| - target)^2 around real images, at `perturb(real)`.

    Kodali et al. 2017 (arXiv:1705.07215), with the noise of the authors' code; the weight is 10.
    """
    del fake
    return jnp.square(gradient_norm(d_fn, perturb(real, keys, spread)) - target)


PENALTIES: tuple[Callable[..., jax.Array], ...] = (r1, r2, gradient_penalty, zero_centred, dragan)


def defaults() -> dict[str, dict[str, Any]]:
    """Return the options of every penalty with their defaults; weight 0 is off."""
    found = {}
    for penalty in PENALTIES:
        parameters = inspect.signature(penalty).parameters.values()
        options = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        found[penalty.__name__] = {'weight': 0.0, 'every': 1, **options}
    return found


def make(name: str, weight: float = 1.0, every: int = 1, **options: object) -> Penalty:
    """Make the penalty of that name; options are the keyword arguments of its function.

    Raises UserError where there is no such penalty, it has no such option, or the weight or the
    interval is out of range.
    """
    found = {penalty.__name__: penalty for penalty in PENALTIES}
    if name not in found:
        allowed = ', '.join(found)
        raise UserError(f"no penalty '{name}'{nearest(name, found)}: name is one of {allowed}")
    parameters = inspect.signature(found[name]).parameters.values()
    known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            has = f'its options are {", ".join(known)}' if known else 'it has no options'
            close = nearest(option, known)
            raise UserError(f"penalty '{name}' has no option '{option}'{close}: {has}")
    if not 0 <= weight < float('inf'):
        raise UserError(f"weight={weight} of penalty '{name}' must be finite, 0 or more")
    if every < 1:
        raise UserError(f"every={every} of penalty '{name}' must be 1 step or more")
    fn = functools.partial(found[name], **options)
    return Penalty(name, fn, weight, every, on_fake=found[name] is r2)
