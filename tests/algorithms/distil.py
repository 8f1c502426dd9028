"""A toy: a network learns to do what one of another run does, from images and from noise."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax
from gan_jax.algorithms.two_domains import Translator

from gan_jax.algorithms.protocol import Frozen, Maker, Phase, Procedure
from gan_jax.core import keys, optim, rng
from gan_jax.core.state import Mean, TrainState, apply, apply_averaged, init_net
from gan_jax.core.update import Ema, advance, update

KEYS = {
    'optim': {'student': optim.KEYS},
    'teacher': keys.path('', "Folder of the teacher's run."),
}


@dataclasses.dataclass(frozen=True)
class Distil(Procedure):
    """Train 'student' to translate as 'teacher' does."""

    tx: Any
    shape: tuple[int, int, int]
    phase: Phase
    teacher: str
    ema: Ema

    def init(self, key):
        """Return the student, and room for the teacher."""
        image = jnp.zeros((2, *self.shape))
        student = init_net(Translator(), self.tx, rng.fold(key, 'student'), image, ema=True)
        teacher = init_net(Translator(), optax.identity(), rng.fold(key, 'teacher'), image)
        return TrainState.create({'student': student, 'teacher': teacher})

    def frozen(self):
        """Take the teacher from its run."""
        return {'teacher': Frozen(self.teacher, 'ab')}

    def train_step(self, state, batch, ctx):
        """Move the student towards the teacher."""

        def loss_fn(nets, batch, keys):
            wanted, _ = apply(Translator(), nets['teacher'], batch['image'])
            made, student = apply(Translator(), nets['student'], batch['image'])
            losses = jnp.square(made - wanted).mean((1, 2, 3))
            return losses.mean(), ({**nets, 'student': student}, {'loss': Mean.of(losses)})

        batch = {'image': batch['image']}
        key = rng.fold(ctx.key, 'step', state.step)
        decay = self.ema.decay(state, ctx.phase.batch_size)
        tx = {'student': self.tx}
        state, metrics = update(state, ['student'], loss_fn, tx, batch, key, ema_decay=decay)
        return advance(state, batch), metrics

    def makers(self):
        """Return what the student makes of images, and of noise."""

        def translate(state, key, n, given, label, scale=1.0):
            return scale * apply_averaged(Translator(), state.nets['student'], given['image'])

        def dream(state, key, n, given, label, scale=1.0):
            draw = jax.vmap(lambda k: jax.random.normal(k, self.shape))
            noise = draw(rng.example_keys(key, n))
            return translate(state, key, n, {'image': noise}, label, scale)

        options = {'scale': 1.0}
        return {
            'translate': Maker('image', translate, given=('image',), options=options),
            'dream': Maker('image', dream, options=options),
        }

    def validate(self, state, batch, key):
        """Return how far the averaged student is from the teacher."""
        made, wanted = (
            apply_averaged(Translator(), state.nets[name], batch['image'])
            for name in ('student', 'teacher')
        )
        return {'distance': Mean.of(jnp.abs(made - wanted).mean((1, 2, 3)))}

    def grid(self, state, key, batch):
        """Return images above what becomes of them."""
        given = batch['image'][:4]
        return jnp.stack([given, apply_averaged(Translator(), state.nets['student'], given)])

    def phases(self):
        """Return the one stretch of the run."""
        return (self.phase,)


def build(config, spec):
    """Build the toy that a resolved config describes."""
    tx = optim.make(config.optim.student)
    phase = Phase(config.duration, 0, config.batch_size)
    return Distil(tx, spec.shape, phase, config.teacher, Ema(100))
