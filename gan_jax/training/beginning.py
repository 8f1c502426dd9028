"""What a run begins with: untrained networks, but for those that other runs give it."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from gan_jax.algorithms.protocol import Frozen
from gan_jax.core.state import Net, TrainState
from gan_jax.errors import UserError, choose
from gan_jax.training import record
from gan_jax.training.inference import load
from gan_jax.training.run import Run


def begin(run: Run, state: TrainState) -> TrainState:
    """Return the state that a run begins with: untrained, but for what other runs give it.

    config.init names the run whose networks of the same names it takes, as they trained and
    averaged; optimisers, and what terms keep, begin anew. See also `with_frozen`.

    Raises:
      UserError: no such run or network, or one of another architecture.
    """
    source, frozen = run.config.init, run.algorithm.frozen()
    if source:
        there, nets = load(source).state.nets, dict(state.nets)
        for name in sorted(nets.keys() - frozen.keys()):
            nets[name] = taken_over(nets[name], choose(there, name, f'network of {source}'), name)
        state = state.replace(nets=nets)
    return with_frozen(state, frozen)


def taken_over(net: Net, found: Net, name: str) -> Net:
    """Return a net with the variables of another; raise UserError where they do not fit."""
    if differs := record.difference(record.shapes(found.variables), record.shapes(net.variables)):
        raise UserError(f"init: network '{name}' of that run is of another architecture: {differs}")
    ema = None if net.ema is None else jax.tree.map(jnp.array, dict(found.averaged))
    return net.replace(params=found.params, extra=found.extra, ema=ema)


def with_frozen(state: TrainState, frozen: Mapping[str, Frozen]) -> TrainState:
    """Return a state whose frozen networks have the averaged variables of other runs.

    Raises:
      UserError: no such run or network, or one of another architecture.
    """
    nets = dict(state.nets)
    for name, (workdir, there) in frozen.items():
        found = choose(load(workdir).state.nets, there, f'network of {workdir}').averaged
        shapes = [jax.tree.map(jnp.shape, tree) for tree in (nets[name].variables, dict(found))]
        if shapes[0] != shapes[1]:
            raise UserError(
                f"network '{there}' of {workdir} is not of the architecture of '{name}'"
            )
        extra = {k: v for k, v in found.items() if k != 'params'}
        nets[name] = nets[name].replace(params=found['params'], extra=extra)
    return state.replace(nets=nets)
