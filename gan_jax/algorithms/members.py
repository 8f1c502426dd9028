"""Several runs of one algorithm in one program: members that differ in seed, or in one number.

Networks, and what terms keep, have a leading axis of members; `step` and `images` are those of all,
so that what depends on them, as a lazy term does, stays one branch for all members.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.algorithms.protocol import Batch, Context, Maker, Phase, Procedure, Symptom
from gan_jax.core.state import Mean, Metrics, TrainState, finite
from gan_jax.errors import UserError
from gan_jax.runtime import group

# How the numbers of one member, and standard errors of means, are called.
MEMBER, ERROR = OF_MEMBERS = ('member_', 'error/')

# What jax raises where a traced number is asked for its value.
SHAPING = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


@dataclass(frozen=True)
class Members(Procedure):
    """Train each member as a run of its own, until its numbers are not finite.

    A member that diverges stays as it was before that step; `state.aux['diverged']` has that step,
    and -1 for those that go on.

    each: the procedure of each member; values: the swept number of each, empty for none; build:
    makes a procedure of such a number, which may be traced; key: the name of that number.
    """

    each: tuple[Procedure, ...]
    values: tuple[float, ...] = ()
    build: Callable[[Any], Procedure] | None = None
    key: str = ''

    @property
    def members(self) -> int:
        """Return the number of members."""
        return len(self.each)

    def init(self, key: jax.Array) -> TrainState:
        """Return untrained members, of keys [members]."""
        first = self._map(lambda procedure, key: procedure.init(key), key)
        return self._joined(first, jnp.full(self.members, -1, jnp.int32))

    def train_step(self, state: TrainState, batch: Batch, ctx: Context) -> Any:
        """Take a step of one member, of its own part of the state."""
        diverged = state.aux['diverged']
        before = TrainState(state.step, state.images, state.nets, state.aux['each'])

        def step(procedure):
            return procedure.train_step(before, batch, Context(ctx.key, ctx.phase))

        after, metrics = self._of(ctx.value, step)
        numbers = jnp.stack([m.total for m in metrics.values()])
        sound = jnp.stack([jnp.isfinite(numbers).all(), *finite(after).values()]).all()
        going = sound & (diverged < 0)
        nets, aux = jax.tree.map(
            lambda new, old: jnp.where(going, new, old),
            (after.nets, after.aux),
            (before.nets, before.aux),
        )
        since = jnp.where(sound | (diverged >= 0), diverged, state.step)
        kept = TrainState(after.step, after.images, nets, {'each': aux, 'diverged': since})
        return kept, {k: _where(going, m) for k, m in metrics.items()}

    def phases(self) -> Sequence[Phase]:
        """Return the phase of all members."""
        return self.each[0].phases()

    def grid(self, state: TrainState, key: jax.Array, batch: Batch) -> jax.Array:
        """Return the pictures of the members side by side, [rows, members x columns, ...]."""
        found = self._map(
            lambda procedure, one, *rest: procedure.grid(one, *rest),
            *(self._stacked(state), key, batch),
        )
        return jnp.concatenate(list(found), axis=1)

    def makers(self) -> dict[str, Maker]:
        """Return what each member can produce, of its own state."""
        return self.each[0].makers()

    def validate(self, state: TrainState, batch: Batch, key: jax.Array) -> Metrics:
        """Return the means of each member over a batch that all share."""

        def one(procedure, state, key, diverged):
            found = procedure.validate(state, batch, key)
            return {k: _where(diverged < 0, m) for k, m in found.items()}

        return self._map(one, self._stacked(state), key, state.aux['diverged'])

    def observe(
        self, state: TrainState, batch: Batch, held_out: Batch | None, key: jax.Array
    ) -> dict[str, jax.Array]:
        """Return the numbers of each member [members], nan for those that have diverged."""

        def one(procedure, state, batch, key, diverged):
            found = procedure.observe(state, batch, held_out, key)
            return {k: jnp.where(diverged < 0, x, jnp.nan) for k, x in found.items()}

        return self._map(one, self._stacked(state), batch, key, state.aux['diverged'])

    def symptoms(self, values: Mapping[str, float]) -> dict[str, Symptom]:
        """Return what is wrong with each member."""
        found = {}
        for member, procedure in enumerate(self.each):
            start = of_member(member)
            own = {k.removeprefix(start): v for k, v in values.items() if k.startswith(start)}
            for name, symptom in procedure.symptoms({**values, **own}).items() if own else ():
                words = f'{self.title(member)}: {symptom.words}'
                found[start + name] = symptom._replace(words=words)
        return found

    def refine(self, state: TrainState, batches: Iterator[Batch]) -> TrainState:
        """Return the state to evaluate, each member's by its own batches."""
        each = zip(self.each, self.split(state), strict=True)
        own = itertools.tee(batches, self.members)
        refined = [
            procedure.refine(one, (self.split(batch)[at] for batch in own[at]))
            for at, (procedure, one) in enumerate(each)
        ]
        stacked = jax.tree.map(lambda *x: jnp.stack(x), *refined)
        return self._joined(stacked, state.aux['diverged'])

    def alone(self) -> Sequence[Procedure]:
        """Return the procedure of each member."""
        return self.each

    def swept(self) -> jax.Array | None:
        """Return the swept number of each member, None of members that differ in seeds alone."""
        return jnp.array(self.values, jnp.float32) if self.values else None

    def split(self, tree: Any) -> list[Any]:
        """Return what each member has of a state, or of a tree [members, ...]."""
        if isinstance(tree, TrainState):
            tree = self._stacked(tree)
        return [jax.tree.map(lambda x, at=at: x[at], tree) for at in range(self.members)]

    def summary(self, values: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """Return each number's mean, its standard error (error/NAME), and member_3/NAME.

        Those of members that have diverged are left out; of none, the mean is nan.
        """
        found: dict[str, float] = {}
        for name in dict.fromkeys(name for own in values for name in own):
            own = {of_member(at, name): v[name] for at, v in enumerate(values) if name in v}
            sound = {k: v for k, v in own.items() if math.isfinite(v)}
            mean, error = spread(own.values())
            found[name] = mean
            if len(sound) > 1:
                found[ERROR + name] = error
            found |= sound
        return found

    def remarks(self, state: TrainState) -> list[str]:
        """Name the members that have diverged."""
        return [
            f'{self.title(at)} diverged at step {step} and stays as it was; the others go on'
            for at, step in enumerate(jax.device_get(state.aux['diverged']).tolist())
            if step >= 0
        ]

    def title(self, member: int) -> str:
        """Return what a member is called."""
        return f'member {member}' + (
            f' ({self.key}={self.values[member]:g})' if self.values else ''
        )

    def _map(self, call: Callable[..., Any], *each: Any) -> Any:
        """Call with the procedure of each member, and with what it has of trees [members, ...]."""

        def one(value, *own):
            return self._of(value, lambda procedure: call(procedure, *own))

        return group.mapped(one, self.swept(), *each)

    def _of(self, value: jax.Array | None, call: Callable[[Procedure], Any]) -> Any:
        """Call with the procedure of a value, which may be traced; None: of no sweep."""
        if value is None:
            return call(self.each[0])
        assert self.build
        try:
            return call(self.build(value))
        except SHAPING as error:
            raise UserError(
                f'sweep: {self.key} cannot be swept in one program, which it shapes; '
                'train a run for each of its values'
            ) from error

    def _stacked(self, state: TrainState) -> TrainState:
        """Return a state whose counters, too, have the axis of members."""
        step, images = (jnp.broadcast_to(x, self.members) for x in (state.step, state.images))
        return TrainState(step, images, state.nets, state.aux['each'])

    def _joined(self, stacked: TrainState, diverged: jax.Array) -> TrainState:
        """Return the state of all members, whose counters are equal."""
        aux = {'each': stacked.aux, 'diverged': diverged}
        return TrainState(stacked.step[0], stacked.images[0], stacked.nets, aux)


def of_member(member: int, name: str = '') -> str:
    """Return what a number of one member is called; without a name, how the names of all begin."""
    return f'{MEMBER}{member}/{name}'


def spread(values: Iterable[float]) -> tuple[float, float]:
    """Return the mean of those values that are finite, and its standard error; nan for none."""
    sound = [x for x in values if math.isfinite(x)]
    error = np.std(sound, ddof=1) / math.sqrt(len(sound)) if len(sound) > 1 else math.nan
    return (float(np.mean(sound)) if sound else math.nan), float(error)


def _where(going: jax.Array, mean: Mean) -> Mean:
    """Return a mean, or nan where a member has diverged."""
    return Mean(jnp.where(going, mean.total, jnp.nan), jnp.where(going, mean.count, 1.0))
