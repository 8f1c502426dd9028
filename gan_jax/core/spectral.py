"""The vectors of spectral normalisation, which advance once per update (arXiv:1802.05957).

They form a collection beside the parameters, with the same tree: one `Vectors` for each kernel
that is normalised. Within an update they are frozen, however many passes and pieces it has.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.core.state import Net

COLLECTION = 'spectral'


class Vectors(NamedTuple):
    """Hold the approximate first singular vectors of a kernel, of its outputs and its inputs."""

    u: jax.Array
    v: jax.Array


def matrix(kernel: jax.Array) -> jax.Array:
    """Return a kernel [..., in, out] as a matrix [everything else, out]."""
    return kernel.reshape(-1, kernel.shape[-1])


def iterate(kernel: jax.Array, u: jax.Array) -> Vectors:
    """Return the vectors after one power iteration from u."""
    weights = matrix(kernel)
    v = _unit(weights @ u)
    return Vectors(_unit(v @ weights), v)


def sigma(kernel: jax.Array, vectors: Vectors) -> jax.Array:
    """Return the approximate largest singular value of a kernel; the vectors get no gradient."""
    u, v = jax.lax.stop_gradient(vectors)
    return v @ matrix(kernel) @ u


def tick(net: Net) -> Net:
    """Return a net whose vectors have made one power iteration on its parameters."""
    if COLLECTION not in net.extra:
        return net

    def walk(vectors: Any, params: Any) -> Any:
        if isinstance(vectors, Vectors):
            return iterate(params, vectors.u)
        return {name: walk(inner, params[name]) for name, inner in vectors.items()}

    moved = walk(net.extra[COLLECTION], net.params)
    return net.replace(extra={**net.extra, COLLECTION: moved})


def _unit(x: jax.Array) -> jax.Array:
    return x / jnp.maximum(jnp.linalg.norm(x), 1e-12)
