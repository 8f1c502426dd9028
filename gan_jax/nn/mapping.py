"""The mapping network of style-based generators: from latents z to w, which styles are made of."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.core import keys
from gan_jax.errors import UserError
from gan_jax.nn import init
from gan_jax.nn.activations import scaled_leaky_relu
from gan_jax.nn.dense import Dense
from gan_jax.nn.norm import PixelNorm

LAYERS = keys.count(8, 'Layers of the mapping network.')


class Mapping(nn.Module):
    """Map z [B, n] of mean square 1, or a label [B], or both, to w [B, features].

    Karras et al. 2019 (arXiv:1812.04948, section 2). The label's vector is brought to mean square
    1, too. multiplier: of the learning rate; parameters are larger by its inverse.

    Raises:
      UserError: there are classes, and no label.
    """

    features: int
    layers: int
    num_classes: int = 0
    multiplier: float = 0.01

    @nn.compact
    def __call__(self, z: jax.Array | None, label: jax.Array | None = None) -> jax.Array:
        parts = [] if z is None else [self.normalize(z.astype(jnp.float32))]
        if self.num_classes:
            if label is None:
                raise UserError('a conditional model needs a label for every example; got none')
            told = jax.nn.one_hot(label, self.num_classes)
            parts.append(self.normalize(self.dense('label', 1.0)(told)))
        w = jnp.concatenate(parts, axis=-1)
        for i in range(self.layers):
            layer = self.dense(f'dense_{i}', 1 / self.multiplier)
            w = scaled_leaky_relu(self.multiplier * layer(w))
        return w

    def dense(self, name: str, start: float) -> Dense:
        """Return a fully connected layer whose kernel starts as N(0, start^2)."""
        scale = init.equalized(1.0).reparametrise
        return Dense(self.features, True, nn.initializers.normal(start), scale, name=name)

    def normalize(self, x: jax.Array) -> jax.Array:
        """Return x [B, n] of mean square 1."""
        return PixelNorm(eps=1e-8)(x, train=False)


def truncate(ws: jax.Array, mean: jax.Array, psi: float, cutoff: int | None) -> jax.Array:
    """Return ws [B, layers, n], in the first `cutoff` layers psi times as far from the mean [n].

    The truncation trick (arXiv:1812.04948, appendix B). cutoff: None for all layers.

    Raises:
      UserError: psi is no number, or cutoff no number of layers.
    """
    layers = ws.shape[1]
    if not isinstance(psi, int | float) or not math.isfinite(psi):
        raise UserError(f'psi={psi!r} is not allowed: it must be a number, such as 0.7')
    if cutoff is not None and not (isinstance(cutoff, int) and 0 <= cutoff <= layers):
        raise UserError(f'cutoff={cutoff!r} is not allowed: it must be an int from 0 to {layers}')
    if psi == 1:
        return ws
    first = jnp.arange(layers)[None, :, None] < (layers if cutoff is None else cutoff)
    mean = mean[None, None]
    return jnp.where(first, mean + psi * (ws - mean), ws)


def mixed(ws: jax.Array, others: jax.Array, share: float, keys: jax.Array) -> jax.Array:
    """Return ws [B, layers, n], of a share of the examples with another w from a layer on.

    Style mixing (arXiv:1812.04948, section 3.1). others: [B, n]; the layer is drawn from 1 on, of
    the keys [B].
    """
    layers = ws.shape[1]

    def draw(key: jax.Array) -> jax.Array:
        mix, at = jax.random.split(key)
        first = jax.random.randint(at, (), 1, layers)
        return jnp.where(jax.random.uniform(mix) < share, first, layers)

    own = jnp.arange(layers)[None] < jax.vmap(draw)(keys)[:, None]
    return jnp.where(own[..., None], ws, others[:, None])
