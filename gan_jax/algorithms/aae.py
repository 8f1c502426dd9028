"""An adversarial autoencoder (Makhzani et al. 2015, arXiv:1511.05644)."""

from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax

from gan_jax import models
from gan_jax.algorithms import autoencoder, health
from gan_jax.algorithms.autoencoder import PARTS, Apply, Losses
from gan_jax.algorithms.health import Judged, Players
from gan_jax.algorithms.protocol import Batch, Context, Maker
from gan_jax.algorithms.sampling import Sampled
from gan_jax.core import keys, latent, losses, optim, rng
from gan_jax.core.game import verdict
from gan_jax.core.losses import Adversarial
from gan_jax.core.losses.protocol import cross_entropy
from gan_jax.core.state import TrainState, init_net
from gan_jax.core.update import advance

PRIOR = keys.choice('normal', tuple(latent.PRIORS), 'Distribution that latents shall have.')
OWN: dict[str, keys.Key] = {
    'latent_weight': keys.number(
        0.01, 'Weight of the loss by which latents are to pass for draws from the prior.', low=0
    ),
}
KEYS: dict[str, Any] = {
    **autoencoder.KEYS,
    'model': models.declare('aae', *PARTS, 'd_z', prior=PRIOR),
    'optim': dict.fromkeys((*PARTS, 'd_z'), optim.KEYS),
    **OWN,
}
check = autoencoder.check


@dataclass(frozen=True, kw_only=True)
class AAE(Sampled):
    """Train an autoencoder whose latents a discriminator, 'd_z', cannot tell from a prior's."""

    d_z: nn.Module
    latent_weight: float = 0.01
    adversarial: Adversarial

    def init(self, key: jax.Array) -> TrainState:
        """Return untrained networks 'encoder', 'decoder' and 'd_z'."""
        state = super().init(key)
        z = self.draw(state, key, 2)
        net = init_net(self.d_z, self.tx['d_z'], rng.fold(key, 'd_z'), z)
        return state.replace(nets={**state.nets, 'd_z': net})

    def train_step(self, state: TrainState, batch: Batch, ctx: Context) -> Any:
        """Update the discriminator of latents, then encoder and decoder."""
        state, metrics = self.learn(state, ['d_z'], self.d_z_losses, batch, ctx.key, 'd_z')
        found = {'d_z_loss': metrics.pop('loss'), **metrics}
        state, metrics = self.learn(state, PARTS, self.losses, batch, ctx.key, 'noise')
        return advance(state, batch), found | metrics

    def d_z_losses(self, run: Apply, batch: Batch, keys: jax.Array) -> Losses:
        """Return the discriminator's loss on a draw from the prior and the latent of an image."""
        drawn = self.draws(rng.split_each(keys, 'prior'))
        found = self.point(run('encoder', self.noised(batch['image'], keys)))
        pair = [verdict(run('d_z', z)).logits for z in (drawn, found)]
        return {'loss': self.adversarial.d(*pair)}

    def losses(self, run: Apply, batch: Batch, keys: jax.Array) -> Losses:
        """Return the loss of each image, and its parts.

        They are the cross-entropy of pixels and the encoder's loss against the discriminator.
        """
        image = batch['image']
        latents = self.point(run('encoder', self.noised(image, keys)))
        logits = run('decoder', latents, *self.told(batch.get('label')))
        error = cross_entropy(logits, image).mean(axis=(1, 2, 3))
        judged = verdict(run('d_z', latents)).logits
        fooled = self.adversarial.g(judged, judged)
        loss = error + self.latent_weight * fooled
        return {'loss': loss, 'reconstruction': error, 'latent_loss': fooled}

    def players(self) -> tuple[Players, ...]:
        """Return the discriminator of latents, and the encoder."""
        return (Players('d_z', 'latent', 'the encoder', 'prior', ('d_z', 'encoder')),)

    def chance(self) -> float:
        """Return the loss of a discriminator that tells nothing apart."""
        return health.chance(self.adversarial)

    def judged(self, state: TrainState, batch: Batch, key: jax.Array) -> dict[str, Judged]:
        """Return what the discriminator says of draws from the prior, and of latents."""
        run, keys = self.averaged(state), rng.example_keys(key, len(batch['image']))
        found = self.point(run('encoder', self.noised(batch['image'], keys)))
        drawn = self.draws(rng.split_each(keys, 'prior'))
        return {'d_z': Judged(*(verdict(run('d_z', z)).logits for z in (drawn, found)))}

    def makers(self) -> dict[str, Maker]:
        """Return what is made of given images, and of draws from the prior."""
        return {**super().makers(), 'prior': self.from_prior()}


def fields(config: Any, spec: Any, *parts: str) -> dict[str, Any]:
    """Return the fields of the procedure of a resolved config."""
    return {
        **autoencoder.common(config, spec, *parts),
        'noise': config.noise,
        'prior': latent.prior(config.model.prior),
        'z_dim': config.model.encoder.z_dim,
        'latent_weight': config.latent_weight,
        'adversarial': losses.make('nonsaturating'),
    }


def build(config: Any, spec: Any) -> AAE:
    """Build the autoencoder that a resolved config describes, for images of a spec."""
    return AAE(**fields(config, spec, *PARTS, 'd_z'))
