"""What a discriminator says of an image beside its logit: logits of classes, and a latent code."""

from collections.abc import Callable

import jax

from gan_jax.core import keys
from gan_jax.core.game import Verdict
from gan_jax.core.keys import field
from gan_jax.errors import UserError
from gan_jax.nn.network import Network


class Heads(Network):
    """Options of a discriminator that ends in several linear layers over the same features.

    It stands last among a class's parents, so that other defaults than a Network's are theirs.
    logit_from: 'classes' for the logit log(sum exp l_k) of K classes, by which an image is a fake
    where none of them is likely: K + 1 classes (Salimans et al. 2016, arXiv:1606.03498, section 5).
    """

    auxiliary: int = field(
        keys.count(0, 'Classes that it names by logits of their own; 0 for none.', low=0)
    )
    code: int = field(
        keys.count(0, 'Numbers that it reads of the latent, for mutual_information.', low=0)
    )
    logit_from: str = field(
        keys.choice('features', ('features', 'classes'), 'What the logit is computed from.')
    )

    def check(self) -> None:
        """Raise UserError where the options do not make a network."""
        super().check()
        if self.logit_from == 'classes' and not self.auxiliary:
            raise UserError(
                "model.d.logit_from='classes' is not allowed with model.d.auxiliary=0: set that "
                'to the number of classes'
            )

    def verdict(self, features: jax.Array, logit: Callable[[], jax.Array]) -> Verdict:
        """Return what the heads make of features [B, n]; `logit` makes the logits [B] from them."""
        classes = self.dense(self.auxiliary, 'classes')(features) if self.auxiliary else None
        code = self.dense(self.code, 'latent_code')(features) if self.code else None
        if classes is not None and self.logit_from == 'classes':
            return Verdict(jax.nn.logsumexp(classes, axis=-1), features, classes, code)
        return Verdict(logit(), features, classes, code)
