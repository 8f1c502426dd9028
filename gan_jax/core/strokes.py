"""What can be measured of drawings, bright on dark, in closed form."""

from collections.abc import Callable

import jax
import jax.numpy as jnp


def thickness(images: jax.Array) -> jax.Array:
    """Return the thickness [n] of the strokes of images [n, H, W, C] in [0, 1], in pixels.

    It is that of the bar which has as large an area and as long an outline: a bar of thickness w
    and length l has A = w l and P = 2 (w + l), of which w is the smaller root of
    w^2 - w P / 2 + A = 0; bent strokes have both, too. The area is the sum of the pixels, the
    outline their total variation, |gradient| summed. Nothing drawn has thickness 0.
    """
    x = jnp.pad(images.mean(-1), ((0, 0), (1, 1), (1, 1)))
    area = x.sum((1, 2))
    down, right = x[:, 1:, :-1] - x[:, :-1, :-1], x[:, :-1, 1:] - x[:, :-1, :-1]
    quarter = jnp.sqrt(jnp.square(down) + jnp.square(right)).sum((1, 2)) / 4
    # no bar is as round as a disc, whose roots are not real
    return quarter - jnp.sqrt(jnp.maximum(jnp.square(quarter) - area, 0.0))


def slant(images: jax.Array) -> jax.Array:
    """Return how far drawings [n] lean to the right, of images [n, H, W, C], in pixels a pixel up.

    It is the slope of the line across the rows that lies nearest to the light, by its second
    moments about its centre: minus the covariance of column and row over the variance of the row.
    What is in a single row leans 0.
    """
    x = images.mean(-1)
    light = x / jnp.maximum(x.sum((1, 2), keepdims=True), 1e-12)
    _, height, width = x.shape
    rows, columns = jnp.arange(height)[None, :, None], jnp.arange(width)[None, None]
    row = rows - (light * rows).sum((1, 2), keepdims=True)
    column = columns - (light * columns).sum((1, 2), keepdims=True)
    variance = (light * row * row).sum((1, 2))
    return -(light * row * column).sum((1, 2)) / jnp.maximum(variance, 1e-12)


# By name: images [n, H, W, C] in [0, 1] -> a number of each [n].
MEASURES: dict[str, Callable[[jax.Array], jax.Array]] = {'thickness': thickness, 'slant': slant}
