"""Orthogonal regularisation: the filters of a layer differ (arXiv:1809.11096, eq. 3)."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.core import keys, values
from gan_jax.core.game import Play, Verdict, View
from gan_jax.core.state import Mean, Metrics
from gan_jax.terms.protocol import Weighted


@dataclass(frozen=True)
class Term(Weighted):
    """Penalise |W^T W * (1 - I)|^2 of all kernels W [fan in, filters] (BigGAN, Brock et al. 2019).

    With `norms` |W^T W - I|^2, which also pulls the filters' norms to 1 (Brock et al. 2017,
    arXiv:1609.07093). BigGAN's is of the generator, with the default weight.
    """

    weight: values.Value = 1e-4
    side: str = keys.field(keys.choice('g', ('g', 'd', 'both'), 'Whose kernels are penalised.'))
    norms: bool = keys.field(keys.flag(False, 'Pull the norm of each filter to 1, too.'))

    def loss(
        self, play: Play, view: View, real: Verdict, fake: Verdict
    ) -> tuple[jax.Array, Metrics]:
        """Return the sum over the kernels of the player whose update it is."""
        found = sum(
            (overlap(kernel, self.norms) for kernel in kernels(view.nets[play.player].params)),
            jnp.zeros(()),
        )
        return found, {f'{play.player}_{self.name}': Mean.of(found)}


def kernels(params: Any) -> list[jax.Array]:
    """Return the kernels [..., in, out] of a network: embeddings, biases and scales are none."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return [leaf for path, leaf in leaves if path[-1].key == 'kernel']


def overlap(kernel: jax.Array, norms: bool) -> jax.Array:
    """Return the squared products of every two filters of a kernel, summed; see `Term.norms`."""
    filters = kernel.reshape(-1, kernel.shape[-1])
    gram, eye = filters.T @ filters, jnp.eye(filters.shape[1])
    return jnp.square(gram - eye if norms else gram * (1.0 - eye)).sum()
