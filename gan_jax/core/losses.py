"""Adversarial losses on logits, unreduced: the caller takes the mean.

A loss is an `Adversarial`: one function for the discriminator and one for the generator. Each
module-level function here that returns one is a loss, found by its name (`make`). To add a loss,
write such a function and name it in `LOSSES`.
"""

import dataclasses
import inspect
from collections.abc import Callable

import jax
import jax.numpy as jnp

from gan_jax.errors import UserError, nearest
from gan_jax.runtime import parallel

Target = jax.Array | float | None


@dataclasses.dataclass(frozen=True)
class Adversarial:
    """Hold the two sides of an adversarial game.

    Attributes:
      d: (real logits, fake logits, real_target=None, fake_target=None) -> loss, of the logits'
        shape [B] (or [B, h, w] of a patch discriminator): the real and the fake term, summed.
      g: (real logits, fake logits) -> loss of the same shape. Most losses ignore the real logits;
        a compiled step then drops the pass that makes them.
      targets: whether `d` takes smoothed or flipped targets (arrays [B]) in place of its own.
      threshold: the logit above which the discriminator calls an image real.
      real, fake: the targets of `d` where none are given (meaningful where `targets` is true).
    """

    d: Callable[..., jax.Array]
    g: Callable[[jax.Array, jax.Array], jax.Array]
    targets: bool = False
    threshold: float = 0.0
    real: float = 1.0
    fake: float = 0.0


def softplus(x: jax.Array) -> jax.Array:
    """Return log(1 + exp(x)) elementwise, finite with finite gradients at any float32 x."""
    return jax.nn.softplus(x)


def cross_entropy(logits: jax.Array, target: Target) -> jax.Array:
    """Return the binary cross-entropy of logits against targets in [0, 1], elementwise.

    Both terms are kept as softplus, so that neither cancels at large logits.
    """
    target = _like(target, logits)
    return target * softplus(-logits) + (1.0 - target) * softplus(logits)


def _like(target: Target, logits: jax.Array) -> jax.Array:
    """Reshape targets [B] to broadcast against logits [B, ...]."""
    target = jnp.asarray(target, logits.dtype)
    return (
        target.reshape(target.shape + (1,) * (logits.ndim - target.ndim)) if target.ndim else target
    )


def _bce_d(
    real: jax.Array, fake: jax.Array, real_target: Target = None, fake_target: Target = None
) -> jax.Array:
    real_target = 1.0 if real_target is None else real_target
    fake_target = 0.0 if fake_target is None else fake_target
    return cross_entropy(real, real_target) + cross_entropy(fake, fake_target)


def _refuse(name: str, real_target: Target, fake_target: Target) -> None:
    if real_target is not None or fake_target is not None:
        raise ValueError(f'the {name} loss has no targets to smooth or flip')


def nonsaturating() -> Adversarial:
    """Make the non-saturating loss of Goodfellow et al. 2014 (arXiv:1406.2661, section 3).

    D: -log s(r) - log(1 - s(f)); G: -log s(f), where s is the logistic function.
    """
    return Adversarial(d=_bce_d, g=lambda real, fake: softplus(-fake), targets=True)


def minimax() -> Adversarial:
    """Make the minimax (saturating) loss of Goodfellow et al. 2014 (arXiv:1406.2661, eq. 1).

    D: -log s(r) - log(1 - s(f)); G: log(1 - s(f)), whose gradient vanishes where D is sure.
    """
    return Adversarial(d=_bce_d, g=lambda real, fake: -softplus(fake), targets=True)


def least_squares(
    half: bool = True, a: float = 0.0, b: float = 1.0, c: float | None = None
) -> Adversarial:
    """Make the least squares loss of Mao et al. 2017 (arXiv:1611.04076, eq. 2).

    D: k (r - b)^2 + k (f - a)^2; G: k (f - c)^2. k is 1/2 as in the paper, or 1 with half=False,
    as in most code. a = 0, b = c = 1 is the paper's eq. 9 and the default; a = -1, b = 1, c = 0 is
    its eq. 8, which minimises a Pearson chi-squared divergence. c = None stands for b.
    """
    k = 0.5 if half else 1.0
    aim = b if c is None else c

    def d(
        real: jax.Array, fake: jax.Array, real_target: Target = None, fake_target: Target = None
    ) -> jax.Array:
        real_target = _like(b if real_target is None else real_target, real)
        fake_target = _like(a if fake_target is None else fake_target, fake)
        return k * jnp.square(real - real_target) + k * jnp.square(fake - fake_target)

    def g(real: jax.Array, fake: jax.Array) -> jax.Array:
        return k * jnp.square(fake - aim)

    return Adversarial(d=d, g=g, targets=True, threshold=(a + b) / 2, real=b, fake=a)


def hinge() -> Adversarial:
    """Make the hinge loss of Lim and Ye 2017 (arXiv:1705.02894), as in SNGAN and BigGAN.

    D: relu(1 - r) + relu(1 + f); G: -f.
    """

    def d(
        real: jax.Array, fake: jax.Array, real_target: Target = None, fake_target: Target = None
    ) -> jax.Array:
        _refuse('hinge', real_target, fake_target)
        return jax.nn.relu(1.0 - real) + jax.nn.relu(1.0 + fake)

    return Adversarial(d=d, g=lambda real, fake: -fake)


def wasserstein() -> Adversarial:
    """Make the Wasserstein loss of Arjovsky et al. 2017 (arXiv:1701.07875).

    D: f - r; G: -f. The critic must be kept Lipschitz, by clipped weights or a penalty. It has no
    natural zero: the threshold 0 for calling an image real is only indicative.
    """

    def d(
        real: jax.Array, fake: jax.Array, real_target: Target = None, fake_target: Target = None
    ) -> jax.Array:
        _refuse('wasserstein', real_target, fake_target)
        return fake - real

    return Adversarial(d=d, g=lambda real, fake: -fake)


def relativistic() -> Adversarial:
    """Make the relativistic pairing loss, RpGAN (Jolicoeur-Martineau 2018, arXiv:1807.00734).

    D: -log s(r - f); G: -log s(f - r), example by example. R3GAN (Huang et al. 2024,
    arXiv:2501.05441) pairs it with r1 and r2.
    """

    def d(
        real: jax.Array, fake: jax.Array, real_target: Target = None, fake_target: Target = None
    ) -> jax.Array:
        _refuse('relativistic', real_target, fake_target)
        return softplus(fake - real)

    return Adversarial(d=d, g=lambda real, fake: softplus(real - fake))


def _centred(real: jax.Array, fake: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return (r - mean f, f - mean r), with means over the batch of all devices."""
    return real - parallel.pmean(jnp.mean(fake)), fake - parallel.pmean(jnp.mean(real))


def _average(
    name: str,
    up: Callable[[jax.Array], jax.Array],
    down: Callable[[jax.Array], jax.Array],
    k: float,
) -> Adversarial:
    """Make the relativistic average loss of terms that pull an argument up and down."""

    def d(
        real: jax.Array, fake: jax.Array, real_target: Target = None, fake_target: Target = None
    ) -> jax.Array:
        _refuse(name, real_target, fake_target)
        real, fake = _centred(real, fake)
        return k * (up(real) + down(fake))

    def g(real: jax.Array, fake: jax.Array) -> jax.Array:
        real, fake = _centred(real, fake)
        return k * (up(fake) + down(real))

    return Adversarial(d=d, g=g)


def relativistic_average(half: bool = True) -> Adversarial:
    """Make the relativistic average loss, RaSGAN (Jolicoeur-Martineau 2018, arXiv:1807.00734).

    D: k [softplus(-(r - E f)) + softplus(f - E r)]; G: the same with r and f exchanged. k is 1/2 as
    in the author's code, or 1 with half=False. The means E are over the whole batch on all
    devices; under gradient accumulation, over each part of it.
    """
    return _average('relativistic_average', lambda x: softplus(-x), softplus, 0.5 if half else 1.0)


def relativistic_average_least_squares(half: bool = True) -> Adversarial:
    """Make the relativistic average least squares loss, RaLSGAN (arXiv:1807.00734, appendix).

    D: k [(r - E f - 1)^2 + (f - E r + 1)^2]; G: with r and f exchanged. k as in
    `relativistic_average`.
    """
    return _average(
        'relativistic_average_least_squares',
        lambda x: jnp.square(x - 1.0),
        lambda x: jnp.square(x + 1.0),
        0.5 if half else 1.0,
    )


def relativistic_average_hinge(half: bool = True) -> Adversarial:
    """Make the relativistic average hinge loss, RaHingeGAN (arXiv:1807.00734, appendix).

    D: k [relu(1 - (r - E f)) + relu(1 + (f - E r))]; G: with r and f exchanged. k as in
    `relativistic_average`.
    """
    return _average(
        'relativistic_average_hinge',
        lambda x: jax.nn.relu(1.0 - x),
        lambda x: jax.nn.relu(1.0 + x),
        0.5 if half else 1.0,
    )


def lecam(real: jax.Array, fake: jax.Array, ema_real: jax.Array, ema_fake: jax.Array) -> jax.Array:
    """Return the LeCam regulariser of D, elementwise (Tseng et al. 2021, arXiv:2104.03310).

    relu(r - ema_fake)^2 + relu(ema_real - f)^2, where the anchors are running means, scalars, of
    the discriminator's logits on real and on fake images. The anchors get no gradient.
    """
    ema_real, ema_fake = jax.lax.stop_gradient((ema_real, ema_fake))
    return jnp.square(jax.nn.relu(real - ema_fake)) + jnp.square(jax.nn.relu(ema_real - fake))


def crammer_singer(scores: jax.Array, label: jax.Array) -> jax.Array:
    """Return the multi-class hinge loss of class scores [B, K] against labels [B], as [B].

    relu(1 + max over other classes - score of the label's class): Crammer and Singer 2001.
    """
    own = jax.nn.one_hot(label, scores.shape[-1], dtype=bool)
    best = jnp.max(jnp.where(own, -jnp.inf, scores), axis=-1)
    score = jnp.take_along_axis(scores, label[:, None], axis=-1)[:, 0]
    return jax.nn.relu(1.0 + best - score)


LOSSES = (
    nonsaturating,
    minimax,
    least_squares,
    hinge,
    wasserstein,
    relativistic,
    relativistic_average,
    relativistic_average_least_squares,
    relativistic_average_hinge,
)


def make(name: str, **options: object) -> Adversarial:
    """Make the loss of that name.

    Raises UserError where there is no such loss, or it has no such option.
    """
    found = {loss.__name__: loss for loss in LOSSES}
    if name not in found:
        raise UserError(
            f"no loss '{name}'{nearest(name, found)}: loss.name is one of {', '.join(found)}"
        )
    allowed = list(inspect.signature(found[name]).parameters)
    for option in options:
        if option not in allowed:
            has = f'its options are {", ".join(allowed)}' if allowed else 'it has no options'
            raise UserError(
                f"loss '{name}' has no option '{option}'{nearest(option, allowed)}: {has}"
            )
    return found[name](**options)
