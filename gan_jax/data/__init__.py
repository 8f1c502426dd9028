"""Image sets: one random-access protocol, a stateless order, batches in memory or streamed."""

from gan_jax.data.config import defaults, open_source
from gan_jax.data.content import digest
from gan_jax.data.protocol import Source, Spec

__all__ = ['Source', 'Spec', 'defaults', 'digest', 'open_source']
