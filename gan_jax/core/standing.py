"""Batch statistics for sampling: of the averaged generator, over many batches of its own latents.

Brock et al. 2019 (arXiv:1809.11096), 'standing statistics': running ones lag behind the averaged
weights, and are those of other weights.
"""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.core.state import Net

STATS = 'batch_stats'


def standing(module: nn.Module, net: Net, inputs: Iterable[tuple[Any, ...]]) -> Net:
    """Return a net whose averaged variables have the batch statistics of all inputs together.

    inputs: the arguments of a pass of the module, batch by batch, of equal sizes. Statistics of
    layers that follow others are of each batch normalised by itself, as in training.
    """
    found = [_moments(module, net.averaged, *arguments) for arguments in inputs]
    mean = jax.tree.map(lambda *leaves: jnp.stack(leaves).mean(0), *found)
    stats = _each_norm(lambda mean, square: jnp.maximum(square - mean**2, 0), mean)
    if net.ema is None:
        return net.replace(extra={**net.extra, STATS: stats})
    return net.replace(ema={**net.ema, STATS: stats})


@functools.partial(jax.jit, static_argnums=0)
def _moments(module: Any, variables: Any, *arguments: Any) -> Any:
    """Return the statistics of one batch, with mean squares in place of variances."""
    alone = module.clone(norm_momentum=0.0)  # of this batch, without those before
    _, new = alone.apply(variables, *arguments, train=True, mutable=[STATS])
    return _each_norm(lambda mean, var: var + mean**2, new[STATS])


def _each_norm(change: Callable[[jax.Array, jax.Array], jax.Array], stats: Any) -> Any:
    """Return statistics with change(mean, var) in place of each var."""
    if 'var' in stats:
        return {**stats, 'var': change(stats['mean'], stats['var'])}
    return {name: _each_norm(change, inner) for name, inner in stats.items()}
