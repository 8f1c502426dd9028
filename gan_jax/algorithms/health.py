"""How a two-player game goes: what is measured of it at a log step, and what is wrong by that."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from gan_jax.algorithms.protocol import Batch, Symptom
from gan_jax.core import rng
from gan_jax.core.game import verdict
from gan_jax.core.state import TrainState, apply, apply_averaged

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


def observe(
    game: Any, state: TrainState, batch: Batch, held_out: Batch | None, key: jax.Array
) -> dict[str, jax.Array]:
    """Return what D says of examples as it sees them, how G's vary, and how large weights are.

    d_real_q10 and so on: quantiles of its logits in evaluation mode on real, generated, and, where
    there are some, held-out real examples; g_std: the deviation over z of what G makes of one
    class, a root of the mean variance; real_std: that of the real examples.
    """
    n = len(batch[game.field])

    def plays(batch):
        keys = rng.example_keys(key, n)
        return game.real_and_fake('d', state.nets, batch, keys, state)[0]

    def logits(images, label):
        net = state.nets['d']
        return verdict(apply_averaged(game.discriminator, net, images, label)).logits

    play = plays(batch)
    said = {
        'real': logits(play.real, play.real_label),
        'fake': logits(play.fake, play.fake_label),
    }
    if held_out is not None:
        other = plays(jax.tree.map(lambda x: x[jnp.arange(n) % len(x)], held_out))
        said['heldout'] = logits(other.real, other.real_label)
    found = {
        f'd_{kind}_q{percent}': jnp.percentile(values, percent)
        for kind, values in said.items()
        for percent in QUANTILES
    }
    found |= {f'{k}_weight_norm': optax.tree.norm(net.params) for k, net in state.nets.items()}
    made = of_one_class(game, state, rng.example_keys(rng.fold(key, 'z'), n))
    return found | {'g_std': deviation(made), 'real_std': deviation(batch[game.field])}


def of_one_class(game: Any, state: TrainState, keys: jax.Array) -> jax.Array:
    """Return what G, as it trains, makes of the latents of keys [n], all of the first class."""
    label = jnp.zeros(len(keys), jnp.int32) if game.classes else None
    own = rng.split_each(keys, 'g')
    return apply(game.generator, state.nets['g'], game.draw(keys), label, keys=own)[0]


def deviation(examples: jax.Array) -> jax.Array:
    """Return the deviation over examples [n, ...], the root of the mean variance of an entry."""
    return jnp.sqrt(jnp.var(examples, axis=0).mean())


def symptoms(values: Mapping[str, float], chance: float) -> dict[str, Symptom]:
    """Return what is wrong with a game by the numbers of a log step.

    values: the means of the step and what `observe` found; chance: D's loss where it tells nothing
    apart, 0 for a loss that has no such value.
    """
    found = {}
    loss, apart = values['d_loss'], values['d_real_q50'] - values['d_fake_q50']
    largest = max(abs(v) for k, v in values.items() if k in ('d_loss', 'g_loss') or '_q50' in k)
    if chance and loss < NOTHING * chance:
        found['d_wins'] = Symptom(
            f'D wins: its loss is {loss:.3g}, and teaches G nothing; a lower optim.d.lr, '
            'terms.r1, or noise on what D sees (terms.instance_noise) may help'
        )
    if chance and abs(loss - chance) < NOTHING * chance:
        found['d_learns_nothing'] = Symptom(
            f'D has learnt nothing: its loss is {loss:.4g} since the first steps, that of one who '
            'guesses; a higher optim.d.lr or a wider D may help',
            from_the_start=True,
        )
    if values['g_std'] < ONE_IMAGE * values['real_std']:
        found['g_collapses'] = Symptom(
            f'G collapses: over z its images vary by {values["g_std"]:.3g}, real ones by '
            f'{values["real_std"]:.3g}; a lower optim.g.lr, terms.r1 or terms.packing may help'
        )
    if largest > HUGE:
        found['diverges'] = Symptom(
            f'the loss diverges: a loss or a median logit is {largest:.3g}; lower optim.*.lr, '
            'gradient clipping (optim.*.clip) or a gradient penalty may help'
        )
    spread = values['d_real_q90'] - values['d_real_q10']
    if 'd_heldout_q50' in values and apart > spread / 2:
        share = (values['d_real_q50'] - values['d_heldout_q50']) / apart
        if share > MEMORISED:
            found['d_memorises'] = Symptom(
                f'D memorises: it judges held-out images {share:.0%} of the way from training '
                'images to generated ones; terms.ada, terms.diffaugment or more data may help'
            )
    return found
