"""Send this process a signal at a certain import, or within a callback of the garbage collector.

Python imports this at its start where the folder is in PYTHONPATH. SIGNAL names the signal,
SIGNAL_AT the module; with SIGNAL_IN=gc the first collection after that import counts.
"""

import gc
import os
import signal
import sys

SIGNAL, AT = getattr(signal, os.environ['SIGNAL']), os.environ['SIGNAL_AT']


class Finder:
    """Find no module, but see which are asked for."""

    def find_spec(self, name, path=None, target=None):
        if name == AT and os.environ.get('SIGNAL_IN') == 'gc':
            gc.callbacks.append(collecting)
        elif name == AT:
            signal.raise_signal(SIGNAL)


def collecting(phase, info):
    """Get the signal here, where no exception is passed on."""
    gc.callbacks.remove(collecting)
    signal.raise_signal(SIGNAL)


sys.meta_path.insert(0, Finder())
