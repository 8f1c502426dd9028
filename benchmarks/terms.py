"""Time what terms cost: a config's step without terms and with each of some, taking turns.

python benchmarks/terms.py [--config=configs/NAME.py] [--shape=HxWxC] [--turns=7] [--batch_size=N]
    [TERM[:KEY=VALUE,...] ...]

On random images. `seconds` is the fastest of the turns; `cpu s`, the seconds of all cores together,
depends less on what else the machine does.
"""

import argparse
import ast
import pathlib
import time
from typing import Any

from gan_jax import config_file, terms
from gan_jax.data import synthetic
from gan_jax.errors import reported
from gan_jax.runtime import process
from gan_jax.training import measure
from gan_jax.training.run import open_run

DEFAULT = ['ada:p=0.5', 'diffaugment']
HEADER = 'term                 seconds   ratio     cpu s   ratio'
LINE = '{:20} {:7.4f} {:6.2f}x {:9.4f} {:6.2f}x'


def node(term: str) -> dict[str, Any]:
    """Return config.terms of a text such as 'r1:weight=5,every=16', '' for none."""
    name, _, options = term.partition(':')
    pairs = (option.partition('=') for option in options.split(',') if option)
    return terms.node(**{name: {k: ast.literal_eval(v) for k, _, v in pairs}}) if name else {}


def stepper(path: str, shape: str, batch_size: int, term: str) -> measure.Stepper:
    """Return the steps of a config with a term."""
    config = config_file.load(pathlib.Path(path))
    config.update({'devices': 1, 'steps_per_call': 1})
    config.batch_size = batch_size or config.batch_size
    config.terms = node(term)
    return measure.Stepper(open_run(config, synthetic.like(config, shape)))


def fastest(sides: dict[str, measure.Stepper], turns: int) -> dict[str, tuple[float, float]]:
    """Return the least seconds and CPU seconds of a step of each side; the first is warm-up."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(turns + 1):
        for name, side in sides.items():
            start = time.process_time()
            times[name].append((side.call(), time.process_time() - start))
    return {
        name: (min(t[0] for t in found[1:]), min(t[1] for t in found[1:]))
        for name, found in times.items()
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', default='configs/dcgan64_cifar10.py')
    parser.add_argument('--shape', default='64x64x3')
    parser.add_argument('--turns', type=int, default=7)
    parser.add_argument('--batch_size', type=int, default=0)
    parser.add_argument('terms', nargs='*', default=DEFAULT)
    args = parser.parse_args()
    process.set_up()
    sides = {
        term: stepper(args.config, args.shape, args.batch_size, term) for term in ['', *args.terms]
    }
    found = fastest(sides, args.turns)
    print(HEADER)
    for term, numbers in found.items():
        (seconds, seconds_ratio), (cpu, cpu_ratio) = (
            (x, x / first) for x, first in zip(numbers, found[''], strict=True)
        )
        print(LINE.format(term or '(none)', seconds, seconds_ratio, cpu, cpu_ratio))
    for side in sides.values():
        side.close()


if __name__ == '__main__':
    with reported():
        main()
