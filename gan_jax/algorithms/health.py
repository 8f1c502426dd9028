"""How discriminators and generators get on: what is seen at a log step, and what is wrong."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from gan_jax.algorithms.protocol import Batch, Procedure, Symptom
from gan_jax.core.game import verdict
from gan_jax.core.losses import Adversarial
from gan_jax.core.state import Net, TrainState, apply_averaged

QUANTILES = (10, 50, 90)

# Below this share of what a guess costs, D's loss teaches nothing; within this share of it,
# D tells nothing apart.
NOTHING = 0.01
# Losses and logits of this size are on their way to infinity.
HUGE = 1e4
# Images that vary this much less over z than real ones vary are one image.
ONE_IMAGE = 0.05
# The share of the way from training images to generated ones at which held-out images are judged,
# which is the overfitting heuristic of Karras et al. 2020 (arXiv:2006.06676, eq. 1), of medians.
MEMORISED = 0.5


class Players(NamedTuple):
    """Name the two players of a contest, by which their numbers are called.

    title: what the generator is called in words; real: how numbers of real examples begin; optim:
    their keys in config.optim; terms: whether the config has terms that may help.
    """

    d: str = 'd'
    g: str = 'g'
    title: str = 'G'
    real: str = 'real'
    optim: tuple[str, str] = ('d', 'g')
    terms: bool = False


class Judged(NamedTuple):
    """Hold what D says of real and of made examples, its logits in evaluation mode.

    true, made: examples whose variation is compared; None where D is shown no examples of data.
    """

    real: jax.Array
    fake: jax.Array
    true: jax.Array | None = None
    made: jax.Array | None = None


class Observed(Procedure):
    """A procedure whose contests are watched."""

    def players(self) -> tuple[Players, ...]:
        """Return who plays against whom."""
        return ()

    def judged(self, state: TrainState, batch: Batch, key: jax.Array) -> dict[str, Judged]:
        """Return what each discriminator says of a batch, and of what is made for it."""
        del state, batch, key
        return {}

    def chance(self) -> float:
        """Return the loss of a discriminator that tells nothing apart, 0 where there is none."""
        return 0.0

    def observe(
        self, state: TrainState, batch: Batch, held_out: Batch | None, key: jax.Array
    ) -> dict[str, jax.Array]:
        """Return what discriminators say, how what is made varies, and how large weights are.

        Of players d and g: d_real_q10 and so on, quantiles of logits on real, made, and, where
        there are some, held-out real examples; g_std: the deviation of what is made, a root of the
        mean variance; real_std: that of the real examples.
        """
        found = {f'{k}_weight_norm': optax.tree.norm(net.params) for k, net in state.nets.items()}
        said = self.judged(state, batch, key) if self.players() else {}
        other = {}
        if said and held_out is not None:
            n = len(next(iter(batch.values())))
            same = jax.tree.map(lambda x: x[jnp.arange(n) % len(x)], held_out)
            other = self.judged(state, same, key)
        for one in self.players():
            mine = said[one.d]
            found |= quantiles(f'{one.d}_real', mine.real) | quantiles(f'{one.d}_fake', mine.fake)
            if mine.true is None or mine.made is None:
                continue
            found |= {f'{one.g}_std': deviation(mine.made), f'{one.real}_std': deviation(mine.true)}
            if other:
                found |= quantiles(f'{one.d}_heldout', other[one.d].real)
        return found

    def symptoms(self, values: Mapping[str, float]) -> dict[str, Symptom]:
        """Return what is wrong with each contest that was held, by the numbers of a log step."""
        found: dict[str, Symptom] = {}
        chance = self.chance()
        for one in self.players():
            if f'{one.d}_loss' in values:
                found |= of_discriminator(one, values, chance) | of_generator(one, values)
        return found


def logits_of(module: nn.Module, net: Net, *seen: Any) -> jax.Array:
    """Return what a discriminator says in evaluation mode of what it sees, as Judged holds it."""
    return verdict(apply_averaged(module, net, *seen)).logits


def quantiles(name: str, logits: jax.Array) -> dict[str, jax.Array]:
    """Return the quantiles of logits, by their names."""
    return {f'{name}_q{percent}': jnp.percentile(logits, percent) for percent in QUANTILES}


def deviation(examples: jax.Array) -> jax.Array:
    """Return the deviation over examples [n, ...], the root of the mean variance of an entry."""
    return jnp.sqrt(jnp.var(examples, axis=0).mean())


def chance(loss: Adversarial, weight: float = 1.0) -> float:
    """Return the loss of a discriminator that tells nothing apart."""
    logits = jnp.full(1, loss.threshold)
    return float(weight * loss.d(logits, logits).mean())


def of_discriminator(
    one: Players, values: Mapping[str, float], chance: float
) -> dict[str, Symptom]:
    """Return what is wrong with a discriminator."""
    name, optim, found = one.d.replace('d', 'D', 1), f'optim.{one.optim[0]}', {}
    loss = values[f'{one.d}_loss']
    real, fake = (values[f'{one.d}_{kind}_q50'] for kind in ('real', 'fake'))
    if chance and loss < NOTHING * chance:
        terms = ', terms.r1, or noise on what D sees (terms.instance_noise)' if one.terms else ''
        found[f'{one.d}_wins'] = Symptom(
            f'{name} wins: its loss is {loss:.3g}, and teaches {one.title} nothing; a lower '
            f'{optim}.lr{terms} may help'
        )
    if chance and abs(loss - chance) < NOTHING * chance:
        found[f'{one.d}_learns_nothing'] = Symptom(
            f'{name} has learnt nothing: its loss is {loss:.4g} since the first steps, that of one '
            f'who guesses; a higher {optim}.lr or a wider D may help',
            from_the_start=True,
        )
    apart, held = real - fake, values.get(f'{one.d}_heldout_q50')
    spread = values[f'{one.d}_real_q90'] - values[f'{one.d}_real_q10']
    if held is not None and apart > spread / 2 and (real - held) / apart > MEMORISED:
        terms = 'terms.ada, terms.diffaugment or ' if one.terms else ''
        found[f'{one.d}_memorises'] = Symptom(
            f'{name} memorises: it judges held-out images {(real - held) / apart:.0%} of the way '
            f'from training images to generated ones; {terms}more data may help'
        )
    return found


def of_generator(one: Players, values: Mapping[str, float]) -> dict[str, Symptom]:
    """Return what is wrong with a generator, or with both."""
    found, optim = {}, f'optim.{one.optim[1]}'
    made, real = (values.get(f'{name}_std', 1.0) for name in (one.g, one.real))
    if made < ONE_IMAGE * real:
        over, terms = ('over z ', ', terms.r1 or terms.packing') if one.terms else ('', '')
        found[f'{one.g}_collapses'] = Symptom(
            f'{one.title} collapses: {over}its images vary by {made:.3g}, real ones by '
            f'{real:.3g}; a lower {optim}.lr{terms} may help'
        )
    names = (f'{one.d}_loss', f'{one.g}_loss', f'{one.d}_real_q50', f'{one.d}_fake_q50')
    largest = max(abs(values[name]) for name in names if name in values)
    if largest > HUGE:
        penalty = ' or a gradient penalty' if one.terms else ''
        found['diverges'] = Symptom(
            f'the loss diverges: a loss or a median logit is {largest:.3g}; lower optim.*.lr, '
            f'gradient clipping (optim.*.clip){penalty} may help'
        )
    return found
