"""What a run is at one step: immutable pytrees of arrays, and how modules read them."""

import hashlib
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct

# Collections that an exponential average can smooth; others (spectral-norm vectors, w_avg) are
# copied, since an average of unit vectors is not one.
AVERAGED = ('params', 'batch_stats')


class Net(struct.PyTreeNode):
    """Hold one network: parameters, mutable collections, optimiser state and averaged variables."""

    params: Any
    extra: Mapping[str, Any]
    opt_state: Any
    ema: Mapping[str, Any] | None

    @property
    def variables(self) -> dict[str, Any]:
        """Return the variables of the network as it trains."""
        return {'params': self.params, **self.extra}

    @property
    def averaged(self) -> Mapping[str, Any]:
        """Return the exponential average of the variables, or the variables where none is kept."""
        return self.variables if self.ema is None else self.ema

    def with_averaged(self, **collections: Any) -> 'Net':
        """Return the net with other collections, not the parameters, in `averaged`."""
        if self.ema is None:
            return self.replace(extra={**self.extra, **collections})
        return self.replace(ema={**self.ema, **collections})


class TrainState(struct.PyTreeNode):
    """Hold a whole run: counters (int32), networks by name, and what else an algorithm keeps."""

    step: jax.Array
    images: jax.Array
    nets: dict[str, Net]
    aux: dict[str, Any]

    @classmethod
    def create(cls, nets: dict[str, Net], aux: dict[str, Any] | None = None) -> 'TrainState':
        """Return the state of a run that has seen nothing."""
        zero = jnp.zeros((), jnp.int32)
        return cls(step=zero, images=zero.copy(), nets=nets, aux=aux or {})


class Mean(struct.PyTreeNode):
    """Hold a running mean; merging is addition, so means can be scanned, psummed and skipped."""

    total: jax.Array
    count: jax.Array

    @classmethod
    def of(cls, values: jax.Array) -> 'Mean':
        """Return the mean of an array of any shape."""
        values = jnp.asarray(values, jnp.float32)
        return cls(values.sum(), jnp.float32(values.size))

    def __add__(self, other: 'Mean') -> 'Mean':
        return Mean(self.total + other.total, self.count + other.count)


Metrics = dict[str, Mean]


def merge(a: Metrics, b: Metrics) -> Metrics:
    """Return the sums of two sets of means with the same names."""
    return {name: a[name] + b[name] for name in a}


def means(metrics: Metrics) -> dict[str, float]:
    """Return the values of means that are on the host; those of nothing are left out."""
    return {name: float(m.total / m.count) for name, m in metrics.items() if m.count}


def init_net(
    module: nn.Module,
    tx: optax.GradientTransformation,
    key: jax.Array,
    *inputs: Any,
    ema: bool = False,
) -> Net:
    """Initialise a module on example inputs, its optimiser, and a copy of it to average."""
    variables = dict(module.init(key, *inputs, train=True))
    params = variables.pop('params')
    # A copy, never an alias: donating one buffer twice fails.
    average = jax.tree.map(jnp.copy, {'params': params, **variables}) if ema else None
    return Net(params=params, extra=variables, opt_state=tx.init(params), ema=average)


def apply(
    module: nn.Module,
    net: Net,
    *inputs: Any,
    train: bool = True,
    keys: jax.Array | None = None,
    method: str | None = None,
) -> tuple[Any, Net]:
    """Run a module, or a method of it; return the output and the net with what the run changed.

    A module with a field `compute_dtype` gets its inputs in that type, which layers keep for their
    activations; parameters, running statistics and outputs are float32 all the same.
    """
    dtype = jnp.dtype(getattr(module, 'compute_dtype', jnp.float32))
    output, changed = module.apply(
        net.variables,
        *_as(inputs, dtype),
        train=train,
        keys=keys,
        mutable=list(net.extra),
        method=method,
    )
    output = _as(output, jnp.dtype(jnp.float32))
    return output, net.replace(extra={**net.extra, **changed})


def apply_averaged(module: nn.Module, net: Net, *inputs: Any, **options: Any) -> Any:
    """Run a module in evaluation mode, in float32, on a net's averaged variables."""
    if getattr(module, 'compute_dtype', 'float32') != 'float32':
        module = module.clone(compute_dtype='float32')
    return module.apply(net.averaged, *inputs, train=False, **options)


def _as(tree: Any, dtype: Any) -> Any:
    """Return a pytree whose float32 and bfloat16 arrays are of a type."""
    wide = (jnp.float32, jnp.bfloat16)
    return jax.tree.map(lambda x: x.astype(dtype) if x.dtype in wide else x, tree)


def average(net: Net, decay: jax.Array) -> Net:
    """Move the averaged variables towards the present ones by a factor of 1 - decay."""
    if net.ema is None:
        return net

    def move(name, old, new):
        if name not in AVERAGED:
            return new
        return jax.tree.map(lambda a, b: a + (1 - decay).astype(a.dtype) * (b - a), old, new)

    return net.replace(ema={k: move(k, net.ema[k], v) for k, v in net.variables.items()})


def with_new_optimisers(
    state: TrainState, tx: Mapping[str, optax.GradientTransformation]
) -> TrainState:
    """Return a state whose networks' optimisers begin anew."""
    fresh = {
        name: net.replace(opt_state=tx[name].init(net.params)) for name, net in state.nets.items()
    }
    return state.replace(nets=fresh)


def finite(state: TrainState) -> dict[str, jax.Array]:
    """Tell of each network whether all its parameters are finite."""

    def check(net):
        return jnp.stack([jnp.isfinite(x).all() for x in jax.tree.leaves(net.params)]).all()

    return {name: check(net) for name, net in state.nets.items()}


def digest(state: Any) -> str:
    """Return the sha256 over a pytree's leaves in path order, as 64 hex digits."""
    leaves = jax.tree_util.tree_flatten_with_path(jax.device_get(state))[0]
    sha = hashlib.sha256()
    for path, leaf in sorted((jax.tree_util.keystr(p), np.asarray(x)) for p, x in leaves):
        sha.update(f'{path} {leaf.dtype} {leaf.shape}\n'.encode())
        sha.update(np.ascontiguousarray(leaf).tobytes())
    return sha.hexdigest()
