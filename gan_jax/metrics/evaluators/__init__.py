"""Metrics: one file each, found by name; see `protocol.Evaluator`."""

import importlib
import keyword
from collections.abc import Iterable, Mapping
from typing import Any

from gan_jax import discovery
from gan_jax.core import keys
from gan_jax.errors import UserError, unknown
from gan_jax.metrics.evaluators.protocol import Evaluator

# Modules that hold no metric.
SHARED = ('protocol',)


def names() -> list[str]:
    """Return the names of all metrics: 'fid-per-class' is in fid_per_class.py, 'is' in is_.py."""
    modules = discovery.names(__name__, but=SHARED)
    return sorted(m.rstrip('_').replace('_', '-') for m in modules)


def find(name: str) -> type[Evaluator]:
    """Return the class of a metric's evaluator.

    Raises:
      UserError: there is none of that name.
    """
    if name not in names():
        raise unknown('metric', name, names())
    module = name.replace('-', '_')
    module = f'{module}_' if keyword.iskeyword(module) else module
    return importlib.import_module(f'{__name__}.{module}').Evaluator


def declared() -> dict[str, Any]:
    """Return the keys of every metric that has any, by its name."""
    found = {name: keys.of(find(name)) for name in names()}
    return {name.replace('-', '_'): some for name, some in found.items() if some}


def build(chosen: Iterable[str], options: Mapping[str, Any]) -> dict[str, Evaluator]:
    """Return the evaluators of some metrics by name, with their own nodes of the options.

    Raises:
      UserError: no metric, an unknown one, or one with an option that is not allowed.
    """
    chosen = tuple(chosen)
    if not chosen:
        raise UserError(f'no metrics to evaluate; available: {", ".join(names())}')
    return {name: find(name)(**options.get(name.replace('-', '_'), {})) for name in chosen}
