"""Show that a step scales, without a cluster: what the compiled program does on each device.

python benchmarks/scaling.py [--config=configs/NAME.py] [--shape=HxWxC] [--per_device=8]
    [--devices=1,2,4,8]

Compiles the step for virtual CPU devices at a fixed batch per device, on random images, and reads
the compiled program: FLOP per device, all-reduces that carry gradients (one for each network's
update) and their bytes, other all-reduces (batch statistics), and other collectives (none).
"""

import argparse
import math
import os
import re
from typing import Any, NamedTuple

# before jax starts; see docs/distributed.md
os.environ.setdefault('NPROC', '16')
os.environ['JAX_PLATFORMS'] = 'cpu'

import jax

from gan_jax import config_file
from gan_jax.data import synthetic
from gan_jax.errors import reported
from gan_jax.training import measure
from gan_jax.training.run import open_run

OTHERS = ('all-gather', 'all-to-all', 'collective-permute', 'reduce-scatter')
SIZES = {'pred': 1, 's8': 1, 'u8': 1, 'bf16': 2, 'f16': 2, 'f32': 4, 's32': 4, 'u32': 4, 'f64': 8}


class Collectives(NamedTuple):
    """Count what devices tell each other in one step.

    gradients: bytes of each all-reduce as large as a network; statistics: of the smaller ones;
    others: how many collectives of other kinds there are.
    """

    gradients: list[int]
    statistics: list[int]
    others: int


def size_of(shapes: str) -> int:
    """Return the bytes of the arrays that a piece of HLO names."""
    found = re.findall(r'(\w+)\[([\d,]*)\]', shapes)
    return sum(SIZES[t] * math.prod(int(d) for d in dims.split(',') if d) for t, dims in found)


def collectives(hlo: str, least: int) -> Collectives:
    """Find the collectives of a compiled program; `least` is the bytes of the smallest network."""
    sizes = [size_of(m[1]) for m in re.finditer(r'= (.*?) all-reduce(?:-start)?\(', hlo)]
    others = sum(len(re.findall(rf' {name}(?:-start)?\(', hlo)) for name in OTHERS)
    return Collectives([n for n in sizes if n >= least], [n for n in sizes if n < least], others)


def compiled(config: Any, devices: int, per_device: int, shape: str) -> tuple[float, Collectives]:
    """Return FLOP per device and the collectives of a config's step on some devices."""
    config = config.copy_and_resolve_references()
    config.update({'devices': devices, 'batch_size': devices * per_device, 'steps_per_call': 1})
    stepper = measure.Stepper(open_run(config, synthetic.like(config, shape)))
    program = stepper.runner.program.lower(*stepper.arguments()).compile()
    state = stepper.carry[0]
    least = min(sum(x.nbytes for x in jax.tree.leaves(n.params)) for n in state.nets.values())
    return program.cost_analysis()['flops'], collectives(program.as_text(), least)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', default=config_file.DEFAULT)
    parser.add_argument('--shape', default='')
    parser.add_argument('--per_device', type=int, default=8)
    parser.add_argument('--devices', default='1,2,4,8')
    args = parser.parse_args()
    numbers = [int(n) for n in args.devices.split(',')]
    jax.config.update('jax_num_cpu_devices', max(numbers))
    config = config_file.load(config_file.find(args.config))
    print(f'{"devices":>7} {"batch":>6} {"MFLOP per device":>17} {"gradient all-reduces":>21} '
          f'{"bytes":>22} {"others":>7} {"statistics":>11}')  # fmt: skip
    for n in numbers:
        flops, found = compiled(config, n, args.per_device, args.shape)
        sizes = ' + '.join(f'{b:,}' for b in found.gradients) or '-'
        print(f'{n:7} {n * args.per_device:6} {flops / 1e6:17.2f} {len(found.gradients):21} '
              f'{sizes:>22} {found.others:7} {len(found.statistics):11}', flush=True)  # fmt: skip


if __name__ == '__main__':
    with reported():
        main()
