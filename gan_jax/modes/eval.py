"""Measure a checkpoint of a run, and write the certificates of the values."""

import pathlib
from typing import Any

from gan_jax.core import keys, nodes
from gan_jax.metrics import certificate, options
from gan_jax.training import evaluation, inference

OF_A_RUN = True
# Keys of config.eval that can be replaced for one measurement; they may come as text.
CHANGES = {name: keys.Key(None, 'text', key.help) for name, key in nodes.flat(options.of_a_run())}
FLAGS = {
    **CHANGES,
    'member': inference.FLAGS['member'],
    'step': inference.FLAGS['step'],
    'out': keys.path('', 'File to write to; WORKDIR/evaluations/STEP.json by default.'),
}


def run(config: Any, workdir: pathlib.Path, flags: Any) -> None:
    """Print each metric's value; flags that are not given stay as in the run's config.eval.

    Raises:
      UserError: no such run or checkpoint, or what a metric needs is missing.
    """
    changes = {name: flags[name].value for name in CHANGES if flags[name].present}
    out = pathlib.Path(flags.out) if flags.out else None
    for found in evaluation.evaluate_run(workdir, flags.step, changes, out, flags.member):
        print(certificate.line(found))
