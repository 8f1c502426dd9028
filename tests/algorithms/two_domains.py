"""A toy: two generators and two discriminators on unpaired images, with a pool of old fakes."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax import models
from gan_jax.algorithms.protocol import Maker, Phase, Procedure
from gan_jax.core import losses, optim, rng
from gan_jax.core.state import Mean, TrainState, apply, init_net
from gan_jax.core.update import advance, update
from gan_jax.runtime import parallel

POOL = 16
LOSS = losses.make('least_squares')


class Translator(nn.Module):
    """Map images to images of the same shape."""

    @nn.compact
    def __call__(self, images, *, train, keys=None):
        x = nn.tanh(nn.Dense(16)(images.reshape(len(images), -1)))
        return nn.tanh(nn.Dense(images[0].size)(x)).reshape(images.shape)


@dataclasses.dataclass(frozen=True)
class TwoDomains(Procedure):
    """Translate a to b and b to a; each discriminator sees fakes of a pool."""

    discriminator: Any
    tx: dict[str, Any]
    shape: tuple[int, int, int]
    images: int
    batch_size: int

    def init(self, key):
        """Return networks 'ab', 'ba', 'd_a', 'd_b' and an empty pool for each domain."""
        image = jnp.zeros((2, *self.shape))
        modules = {'ab': Translator(), 'ba': Translator(), 'd_a': self.discriminator}
        modules['d_b'] = self.discriminator
        nets = {
            name: init_net(module, self.tx[name], rng.fold(key, name), image)
            for name, module in modules.items()
        }
        pool = jnp.zeros((POOL, *self.shape))
        return TrainState.create(nets, {'pool': {'a': pool, 'b': pool.copy()}})

    def train_step(self, state, batch, ctx):
        """Update the generators together, put their fakes in the pools, update each judge."""
        state, metrics = self._g_step(state, batch, rng.fold(ctx.key, 'g', state.step))
        pool = {}
        for to, name in (('a', 'ba'), ('b', 'ab')):
            fakes = self._translate(state.nets[name], batch['b' if to == 'a' else 'a'])
            fakes = parallel.gather(fakes)  # the pool is the same on all devices
            place = (state.step * len(fakes) + jnp.arange(len(fakes))) % POOL
            pool[to] = state.aux['pool'][to].at[place].set(fakes)
            state, more = self._d_step(
                state, to, pool[to], batch, rng.fold(ctx.key, to, state.step)
            )
            metrics = metrics | more
        return advance(state.replace(aux={'pool': pool}), batch), metrics

    def makers(self):
        """Return both directions of translation."""

        def maker(name, start, to):
            def make(state, key, n, given, label):
                return self._translate(state.nets[name], given[start])

            return Maker(to, make, given=(start,))

        return {'ab': maker('ab', 'a', 'b'), 'ba': maker('ba', 'b', 'a')}

    def grid(self, state, key, batch):
        """Return images of both domains above their translations."""
        a, b = batch['a'][:4], batch['b'][:4]
        there = [self._translate(state.nets[n], x) for n, x in (('ab', a), ('ba', b))]
        return jnp.stack([a, there[0], b, there[1]])

    def phases(self):
        """Return the one stretch of the run."""
        return (Phase(self.images, 0, self.batch_size),)

    def _translate(self, net, images):
        return Translator().apply(net.variables, images, train=False)

    def _g_step(self, state, batch, key):
        def loss_fn(nets, batch, keys):
            b, ab = apply(Translator(), nets['ab'], batch['a'])
            a, ba = apply(Translator(), nets['ba'], batch['b'])
            back, _ = apply(Translator(), nets['ba'], b)
            cycle = jnp.abs(back - batch['a']).mean()
            judged = [
                apply(self.discriminator, nets[f'd_{k}'], x)[0].logits
                for k, x in zip('ab', (a, b), strict=True)
            ]
            adversarial = sum(LOSS.g(logits, logits).mean() for logits in judged)
            nets = {**nets, 'ab': ab, 'ba': ba}
            return cycle + adversarial, (nets, {'cycle_loss': Mean.of(cycle)})

        return update(state, ['ab', 'ba'], loss_fn, self.tx, batch, key)

    def _d_step(self, state, domain, pool, batch, key):
        name = f'd_{domain}'

        def loss_fn(nets, batch, keys):
            real, net = apply(self.discriminator, nets[name], batch[domain])
            chosen = jax.vmap(lambda k: jax.random.randint(k, (), 0, POOL))(keys)
            fake, net = apply(self.discriminator, net, pool[chosen])
            loss = LOSS.d(real.logits, fake.logits)
            return loss.mean(), ({**nets, name: net}, {f'{name}_loss': Mean.of(loss)})

        return update(state, [name], loss_fn, self.tx, batch, key)


KEYS = {'model': models.declare('mlp', 'd'), 'optim': {'d': optim.KEYS}}


def build(config, spec):
    """Build the toy that a resolved config describes."""
    names = ('ab', 'ba', 'd_a', 'd_b')
    return TwoDomains(
        discriminator=models.build(config.model, 'd', spec.shape),
        tx={name: optim.make(config.optim.d) for name in names},
        shape=spec.shape,
        images=config.duration,
        batch_size=config.batch_size,
    )
