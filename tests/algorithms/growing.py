"""A toy: an image that is learnt at half the resolution first, in larger batches."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.algorithms.protocol import Maker, Phase, Procedure
from gan_jax.core import optim, rng
from gan_jax.core.state import Mean, TrainState, apply, init_net
from gan_jax.core.update import advance, update

NAMES = ('coarse', 'fine')


class Canvas(nn.Module):
    """Hold one image at full size, seen at the size that is asked for."""

    shape: tuple[int, int, int]
    height: int

    @nn.compact
    def __call__(self, *, train, keys=None):
        image = self.param('image', nn.initializers.normal(0.1), self.shape)
        k = self.shape[0] // self.height
        return image.reshape(self.height, k, self.shape[1] // k, k, -1).mean((1, 3))


@dataclasses.dataclass(frozen=True)
class Growing(Procedure):
    """Learn the mean image, blurred first."""

    tx: Any
    shape: tuple[int, int, int]
    images: int
    batch_size: int

    def init(self, key):
        """Return the network 'g'."""
        net = init_net(Canvas(self.shape, self.shape[0]), self.tx, rng.fold(key, 'g'))
        zeros = jnp.zeros(2, jnp.int32)
        return TrainState.create({'g': net}, {'steps': zeros, 'entered': zeros.copy()})

    def enter(self, state, phase):
        """Start the optimiser anew, and count."""
        net = state.nets['g']
        net = net.replace(opt_state=self.tx.init(net.params))
        entered = state.aux['entered'].at[NAMES.index(phase.name)].add(1)
        return state.replace(nets={'g': net}, aux={**state.aux, 'entered': entered})

    def train_step(self, state, batch, ctx):
        """Move the canvas towards noisy images; count steps by phase."""

        def loss_fn(nets, batch, keys):
            height = batch['image'].shape[1]
            image, net = apply(Canvas(self.shape, height), nets['g'])
            noise = jax.vmap(lambda k: jax.random.normal(k, image.shape))(keys)
            losses = ((batch['image'] + 0.1 * noise - image[None]) ** 2).mean((1, 2, 3))
            return losses.mean(), ({'g': net}, {'loss': Mean.of(losses)})

        batch = {'image': batch['image']}
        key = rng.fold(ctx.key, 'noise', state.step)
        state, metrics = update(state, ['g'], loss_fn, {'g': self.tx}, batch, key)
        steps = state.aux['steps'].at[NAMES.index(ctx.phase.name)].add(1)
        aux = {**state.aux, 'steps': steps}
        return advance(state.replace(aux=aux), batch), metrics

    def makers(self):
        """Return what makes the canvas, n times."""

        def make(state, key, n, given, label):
            return jnp.tile(state.nets['g'].params['image'], (n, 1, 1, 1))

        return {'canvas': Maker('image', make)}

    def grid(self, state, key, batch):
        """Return the canvas beside an image of the data, at the size of the phase."""
        image = batch['image'][0]
        canvas = Canvas(self.shape, len(image)).apply(state.nets['g'].variables, train=False)
        return jnp.stack([image, canvas])[None]

    def phases(self):
        """Return a coarse stretch in batches of twice the size, and a fine one."""
        half = self.images // 2
        return (
            Phase(half, self.shape[0] // 2, 2 * self.batch_size, NAMES[0]),
            Phase(self.images, 0, self.batch_size, NAMES[1]),
        )


KEYS = {'optim': {'g': optim.KEYS}}


def build(config, spec):
    """Build the toy that a resolved config describes."""
    tx = optim.make(config.optim.g)
    return Growing(tx, spec.shape, config.duration, config.batch_size)
