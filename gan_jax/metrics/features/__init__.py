"""Networks that metrics take features from: one file each, found by name.

Each has make(resize, weights, load_run) -> Extractor; see `protocol.Extractor`.
"""

from gan_jax import discovery
from gan_jax.metrics.features.protocol import Extractor, LoadRun

# Modules that hold no network.
SHARED = ('cache', 'extract', 'protocol')


def names() -> list[str]:
    """Return the names of all networks."""
    return discovery.names(__name__, but=SHARED)


def make(name: str, resize: str, weights: str, load_run: LoadRun) -> Extractor:
    """Make the extractor of a name.

    resize: how images reach the size of the network; weights: the network's file, or the folder
    of the run that trained it, which load_run loads.

    Raises:
      UserError: there is no such network, resizer or file.
    """
    found = discovery.find(__name__, name, 'features', but=SHARED)
    return found.make(resize, weights, load_run)
