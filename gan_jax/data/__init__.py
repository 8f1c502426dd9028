"""Image sets: one random-access protocol, a stateless order, batches in memory or streamed."""

from gan_jax.data.config import defaults, open_source, open_split
from gan_jax.data.content import digest
from gan_jax.data.protocol import Field, Source, Spec, image_spec
from gan_jax.data.reading import DataSet, read

__all__ = [
    'DataSet', 'Field', 'Source', 'Spec', 'defaults', 'digest', 'image_spec', 'open_source',
    'open_split', 'read',
]  # fmt: skip
