"""Networks that metrics take features from: one file each, found by name.

Each has make(resize, weights, load_run) -> Extractor; see `protocol.Extractor`.
"""

import importlib
import pkgutil

from gan_jax.errors import unknown
from gan_jax.metrics.features.protocol import Extractor, LoadRun

# Modules that hold no network.
SHARED = ('cache', 'extract', 'protocol')


def names() -> list[str]:
    """Return the names of all networks."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name not in SHARED)


def make(name: str, resize: str, weights: str, load_run: LoadRun) -> Extractor:
    """Make the extractor of a name.

    resize: how images reach the size of the network; weights: the network's file, or the folder
    of the run that trained it, which load_run loads.

    Raises:
      UserError: there is no such network, resizer or file.
    """
    if name not in names():
        raise unknown('features', name, names())
    return importlib.import_module(f'{__name__}.{name}').make(resize, weights, load_run)
