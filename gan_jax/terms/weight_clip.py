"""Weight clipping, which bounds a critic's slope (Arjovsky et al. 2017, arXiv:1701.07875)."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.core import keys
from gan_jax.terms.protocol import Term as Base


@dataclass(frozen=True)
class Term(Base):
    """Clip every parameter of the discriminator to [-bound, bound] after its update."""

    bound: float = keys.field(keys.number(0.01, 'Largest absolute value of a parameter.', above=0))

    def project(self, params: Any) -> Any:
        """Return the clipped parameters."""
        return jax.tree.map(lambda w: jnp.clip(w, -self.bound, self.bound), params)
