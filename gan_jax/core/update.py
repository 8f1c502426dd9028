"""One optimiser update of some networks of a state, and running a step only every n-th time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from gan_jax.core import rng, spectral, values
from gan_jax.core.state import Mean, Metrics, Net, TrainState, average, merge
from gan_jax.runtime import parallel

Nets = dict[str, Net]
# (nets, batch, per-example keys) -> (scalar loss, (nets with their new collections, metrics))
LossFn = Callable[[Nets, Any, jax.Array], tuple[jax.Array, tuple[Nets, Metrics]]]
Step = Callable[[TrainState, Any, jax.Array], tuple[TrainState, Metrics]]


def update(
    state: TrainState,
    names: Sequence[str],
    loss_fn: LossFn,
    tx: Mapping[str, optax.GradientTransformationExtraArgs],
    batch: Any,
    key: jax.Array,
    *,
    accum: int = 1,
    ema_decay: jax.Array | None = None,
) -> tuple[TrainState, Metrics]:
    """Take one optimiser step of the nets `names` on the mean loss over the global batch.

    `batch` is this device's part, leaves [b, ...]; it is walked in `accum` equal pieces. Only
    `names` change: parameters, collections, optimiser states and averages.
    """
    keys = rng.example_keys(key, jax.tree.leaves(batch)[0].shape[0])
    ticked = {name: spectral.tick(state.nets[name]) for name in names}
    grads, nets, metrics = _gradients({**state.nets, **ticked}, names, loss_fn, batch, keys, accum)
    # One all-reduce for everything that an update has to agree on.
    grads, metrics = parallel.pmean((grads, metrics))
    new = {}
    for name in names:
        net, g = nets[name], grads[name]
        updates, opt_state = tx[name].update(g, net.opt_state, net.params, at=state)
        net = net.replace(params=optax.apply_updates(net.params, updates), opt_state=opt_state)
        new[name] = net if ema_decay is None else average(net, ema_decay)
        metrics[f'{name}_grad_norm'] = Mean.of(optax.tree.norm(g))
    return state.replace(nets={**state.nets, **new}), metrics


def _gradients(nets, names, loss_fn, batch, keys, accum):
    """Return gradients by name, the nets with their new collections, and metrics."""

    def objective(params, nets, piece):
        nets = {**nets, **{n: nets[n].replace(params=params[n]) for n in names}}
        return loss_fn(nets, *piece)

    def one(nets, piece):
        params = {n: nets[n].params for n in names}
        grads, (nets_out, metrics) = jax.grad(objective, has_aux=True)(params, nets, piece)
        # Collections of the other nets are dropped: what is not named does not change.
        kept = {n: nets[n].replace(extra=nets_out[n].extra) for n in names}
        return grads, {**nets, **kept}, metrics

    if accum == 1:
        return one(nets, (batch, keys))
    pieces = jax.tree.map(lambda x: x.reshape(accum, -1, *x.shape[1:]), (batch, keys))

    def body(carry, piece):
        grads, nets, metrics = carry
        more, nets, more_metrics = one(nets, piece)
        return (jax.tree.map(jnp.add, grads, more), nets, merge(metrics, more_metrics)), None

    shapes = jax.eval_shape(one, nets, jax.tree.map(lambda x: x[0], pieces))
    start = (zeros(shapes[0]), dict(nets), zeros(shapes[2]))
    (grads, nets, metrics), _ = lax.scan(body, start, pieces)
    return jax.tree.map(lambda g: g / accum, grads), nets, metrics


def zeros(shapes: Any) -> Any:
    """Return zeros of the shapes and types of a pytree."""
    return jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)


def every_n_steps(n: int, step_fn: Step) -> Step:
    """Run a step only where (step + 1) % n == 0; elsewhere keep the state and report nothing.

    The condition is part of the one compiled program, and a skipped step costs nothing.
    """
    if n == 1:
        return step_fn

    def step(state, batch, key):
        shapes = jax.eval_shape(step_fn, state, batch, key)[1]

        def skip(state):
            return state, zeros(shapes)

        due = (state.step + 1) % n == 0
        return lax.cond(due, lambda s: step_fn(s, batch, key), skip, state)

    return step


def advance(state: TrainState, batch: Any) -> TrainState:
    """Count one step, and the images of the global batch."""
    images = jax.tree.leaves(batch)[0].shape[0] * parallel.size()
    return state.replace(step=state.step + 1, images=state.images + images)


class Ema(NamedTuple):
    """Say how an exponential average follows (Karras et al. 2020, arXiv:2006.06676).

    half_life: in images, 0 for no average. Until `images` reaches half_life / ramp the half-life is
    ramp * images, so that an average forgets the initial weights early; ramp 0 is none.
    """

    half_life: values.Value = 0
    ramp: float = 0.0

    @property
    def on(self) -> bool:
        """Return whether an average is kept."""
        return self.half_life != 0

    def decay(self, state: TrainState, per_update: int) -> jax.Array | None:
        """Return the decay at a state, where `per_update` images pass between updates."""
        if not self.on:
            return None
        life = jnp.float32(values.at(self.half_life, state))
        if self.ramp > 0:
            life = jnp.minimum(life, state.images.astype(jnp.float32) * self.ramp)
        return 0.5 ** (per_update / jnp.maximum(life, 1e-8))


NO_EMA = Ema()
