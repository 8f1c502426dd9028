"""The program python -m gan_jax.metrics: `command`, given what loads a run.

It stands above all packages, and is in this one for its name: no module imports it.
"""

import sys
from collections.abc import Sequence
from typing import Any

import gan_jax
from gan_jax.metrics import command


def load(workdir: str) -> Any:
    """Load the run in a folder; what trains is imported only where there is one."""
    return gan_jax.load(workdir)


def main(argv: Sequence[str]) -> int:
    """Run a command line; return its exit status."""
    return command.main(argv, load)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
