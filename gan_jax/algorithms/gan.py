"""The algorithm gan: keys of the two-player game, their checks, and the game that they describe."""

from typing import Any

import jax

from gan_jax import models, terms
from gan_jax.algorithms import lazy
from gan_jax.algorithms.protocol import EMA, GRID, Phase
from gan_jax.algorithms.two_player import GAN
from gan_jax.core import keys, latent, losses, nodes, optim, values
from gan_jax.core.update import Ema
from gan_jax.errors import UserError
from gan_jax.terms.passes import PASSES, Targets, check_loss
from gan_jax.terms.protocol import check_groups

GAME: dict[str, keys.Key] = {
    'real': keys.span((1.0, 1.0), 'Range of the targets of real images.', low=0, high=2),
    'fake': keys.span((0.0, 0.0), 'Range of the targets of generated images.', low=0, high=2),
    'flip': keys.probability(0.0, 'Share of images with the target of the other kind.'),
    'batching': keys.choice(
        'two_batches', tuple(PASSES), 'Whether D sees real and generated images in one batch.'
    ),
    'reuse_z': keys.flag(False, 'The generator learns on the images that D has just seen.'),
    'n_critic': keys.count(1, 'Steps of the discriminator for each of the generator.'),
    'g_weight': keys.value(
        1.0, "Weight of the loss in the generator's; 0 where terms alone teach it.", low=0
    ),
    'lazy_updates': keys.flag(
        False,
        'Terms with every > 1 are updates of their own, for which the rates of optimisers are '
        'corrected (arXiv:1912.04958, appendix B), instead of parts of every so many updates.',
    ),
    'g_batch': keys.count(1, 'Fakes of a step of the generator for each real image of a batch.'),
}
KEYS: dict[str, Any] = {
    'model': models.declare(
        'dcgan',
        'g',
        'd',
        prior=keys.choice('normal', tuple(latent.PRIORS), 'Distribution of the latent vector z.'),
    ),
    'loss': nodes.Named(
        'nonsaturating',
        losses.names,
        lambda name: {**losses.options(name), **GAME},
        'Adversarial loss.',
    ),
    'terms': nodes.AnyOf(terms.names, terms.declared, 'Terms of the game.'),
    'optim': {'g': optim.KEYS, 'd': optim.KEYS},
    'ema': EMA,
    'sample': {
        **GRID,
        'standing': keys.count(
            0,
            'Batches that give what is sampled and measured its batch statistics; 0: running ones.',
            low=0,
            learns=False,
        ),
        'walk': keys.count(
            0,
            'Frames of the video of a walk through the latents that the run ends with; 0: none.',
            low=0,
            high=100_000,
            learns=False,
        ),
    },
}


def check(config: Any) -> None:
    """Refuse keys of the loss that contradict each other, and terms that cannot be made.

    config: resolved.

    Raises:
      UserError: names the key, or the term.
    """
    check_loss(config.loss, config.accumulate)
    terms.build(config.terms)


def build(config: Any, spec: Any) -> GAN:
    """Build the algorithm that a resolved config describes, for images of a spec.

    Raises:
      UserError: a network does not fit the images, or a term not the game.
    """
    loss, draw = config.loss, latent.prior(config.model.prior)
    found = terms.build(config.terms)
    game = GAN(
        generator=models.build(config.model, 'g', spec.shape, config.precision),
        discriminator=models.build(config.model, 'd', spec.shape, config.precision),
        tx=lazy.optimisers(config, found),
        loss=losses.make(loss.name, **{k: loss[k] for k in losses.options(loss.name)}),
        terms=found,
        prior=lambda key: draw(key, config.model.g.z_dim),
        shape=spec.shape,
        phase=Phase(config.duration, 0, config.batch_size),
        passes=PASSES[loss.batching],
        targets=Targets(tuple(loss.real), tuple(loss.fake), loss.flip),
        classes=config.model.classes,
        data_classes=spec.num_classes,
        n_critic=loss.n_critic,
        g_weight=values.make(loss.g_weight, 'loss.g_weight'),
        g_batch=loss.g_batch,
        reuse_z=loss.reuse_z,
        lazy_updates=loss.lazy_updates,
        ema=Ema(values.make(config.ema.half_life, 'ema.half_life'), config.ema.ramp),
        accum=config.accumulate,
        grid_size=(config.sample.rows, config.sample.columns),
        standing=config.sample.standing,
        field=spec.main,
    )
    if game.standing and not game.generator.mixes_examples():
        raise UserError(
            f'sample.standing={game.standing} is not allowed: the generator has no batch norm; '
            'available: 0'
        )
    devices = config.devices or jax.device_count()
    groups = {f'terms.{term.name}': term.group for term in game.terms}
    groups['model.d'] = game.discriminator.group()
    check_groups(config.batch_size // (devices * config.accumulate), groups)
    for term in game.terms:
        term.check(game)
    return game
