"""Time the start and the steps of a config: to import, to compile, to the first step, a step.

python benchmarks/throughput.py --config=configs/NAME.py [--synthetic] [--shape=HxWxC] [--json]
    [--steps=N] [--config.key=value ...]

With --synthetic the data is random images, and none has to be there. Their size is --shape where
given, else config.data.size, else what tensorflow-datasets says of the data set. --steps: how many
steps are timed; as many as take about a second by default. --json: one JSON object as last line.
"""

# ruff: noqa: E402  (what is imported is timed)
import time

BEGAN = time.perf_counter()

import json
import logging
import sys
from typing import Any

import jax

from gan_jax import cli
from gan_jax.core import keys
from gan_jax.data import synthetic
from gan_jax.errors import reported
from gan_jax.runtime import process as machine
from gan_jax.training import measure
from gan_jax.training.run import open_run

IMPORTED = time.perf_counter()


OF_A_RUN = False
FLAGS = {
    'synthetic': keys.flag(False, 'Random images in place of the data.'),
    'shape': keys.text('', 'HxWxC of the random images.'),
    'steps': keys.count(0, 'Steps to time; 0 for about a second.', low=0),
    'json': keys.flag(False, 'End with one line of JSON.'),
}


def measured(config: Any, source: Any, steps: int) -> dict[str, Any]:
    """Return the numbers of a config, in seconds, images per second and bytes."""
    opening = time.perf_counter()
    run = open_run(config, source)
    stepper = measure.Stepper(run)
    opened = time.perf_counter()
    first = stepper.call()
    stepped = time.perf_counter()
    seconds = stepper.seconds_per_step(steps=steps)
    stepper.close()
    device = jax.devices()[0]
    stats = device.memory_stats() or {}
    return {
        'seconds_to_import': IMPORTED - BEGAN,
        'seconds_to_open': opened - opening,
        'seconds_to_compile': max(0.0, first - seconds * stepper.calls),
        'seconds_to_first_step': stepped - BEGAN,
        'seconds_per_step': seconds,
        'images_per_second': config.batch_size / seconds,
        'steps_per_call': stepper.calls,
        'batch_size': config.batch_size,
        'image': 'x'.join(map(str, run.source.spec.shape)),
        'resident': stepper.runner.pipeline.resident is not None,
        'flops_per_image': measure.flops_per_image(run, stepper.runner),
        'peak_bytes': stats.get('peak_bytes_in_use'),
        'device': f'{config.devices or jax.device_count()} x {device.device_kind}',
        'jax': jax.__version__,
    }


def main(argv: list[str]) -> None:
    """Print the numbers."""
    if '--help' in argv:
        print(__doc__)
        return
    _, config, _, values = cli.parse(argv, sys.modules[__name__])
    machine.set_up(config.deterministic)
    source = synthetic.like(config, values.shape) if values.synthetic or values.shape else None
    result = measured(config, source, values.steps)
    for name, value in result.items():
        print(f'{name:22} {value:,.6g}' if isinstance(value, float) else f'{name:22} {value}')
    rate = result['flops_per_image'] * result['images_per_second']
    print(f'{"TFLOP per second":22} {rate / 1e12:.4g}')
    if values.json:
        print(json.dumps(result))


if __name__ == '__main__':
    logging.basicConfig(format='%(levelname)s: %(message)s', level=logging.ERROR)
    with reported():
        main(sys.argv)
