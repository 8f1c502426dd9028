"""R2 by a finite difference, without a second derivative (arXiv:2501.08316, section 3.4)."""

from dataclasses import dataclass

from gan_jax.terms.gradients import FiniteDifference


@dataclass(frozen=True)
class Term(FiniteDifference):
    """Penalise (D(y + sigma n) - D(y))^2 / (2 sigma^2) at generated images, n ~ N(0, 1).

    Its mean over n is that of `r2` for small sigma, so that the weight is the same gamma.
    """

    on_fake = True
