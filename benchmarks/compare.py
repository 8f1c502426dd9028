"""Compare our training step with PyTorch's: ratios from one run, the sides taking turns.

python benchmarks/compare.py [--only=dcgan64] [--turns=5] [--steps=2] [--json]

Networks, batch, optimiser and algorithm are the same, images live on the device on both sides, and
both run in one process and take turns, so that what else the machine does falls on both. A number
is the median over the turns, warm-up apart; the ratio in brackets is that of each side's fastest
turn, which a busy machine disturbs less. floor: the step's FLOP by XLA's count over the rate of
a large float32 matrix product in its fastest turn. Where terms are lazy, all count as due in FLOP,
and a turn has whole rounds of steps, so that they weigh in seconds what they weigh in training.
PyTorch: pip install torch.
"""

import argparse
import json
import math
import pathlib
import statistics
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax import config_file
from gan_jax.data import synthetic
from gan_jax.runtime import process as machine
from gan_jax.training import measure
from gan_jax.training.run import open_run

try:
    import torch_gan
    import torch_r3gan
    import torch_residual
    import torch_stylegan2
except ImportError:
    sys.exit('error: PyTorch is not installed: pip install torch')

# the config of each case, what differs from it, and the shape of its images
CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    'dcgan64': ('configs/dcgan64_cifar10.py', {}, '64x64x3'),
    'dcgan32': ('configs/dcgan_cifar10.py', {}, '32x32x3'),
    'wgan_gp32': (
        'configs/dcgan_cifar10.py',
        {
            'loss.name': 'wasserstein',
            'model.d.norm': 'none',
            'terms': {'gradient_penalty': {'weight': 10.0}},
        },
        '32x32x3',
    ),
    # one step of each network; the config has five of the discriminator, and twice the fakes
    'sngan32': ('configs/sngan_cifar10.py', {'loss.n_critic': 1, 'loss.g_batch': 1}, '32x32x3'),
    'biggan32': ('configs/biggan_cifar10.py', {'loss.n_critic': 1, 'batch_size': 16}, '32x32x3'),
    'r3gan32': (
        'configs/r3gan_cifar10.py',
        {'model.g.size': 'S', 'model.classes': 0, 'terms.ada.p.final': 0.0, 'batch_size': 32},
        '32x32x3',
    ),
    # R1 in every 16th step and path length in every 4th, as updates of their own
    'stylegan2_64': (
        'configs/stylegan2_celeba.py',
        {'model.g.base': 2048, 'model.g.width': 64, 'batch_size': 16},
        '64x64x3',
    ),
    'mlp28': ('configs/mlp3_mnist.py', {}, '28x28x1'),
}
THEIRS = {
    'sngan32': torch_residual.SNGAN,
    'biggan32': torch_residual.BigGAN,
    'r3gan32': torch_r3gan.R3GAN,
    'stylegan2_64': torch_stylegan2.StyleGAN2,
}
SIZE = 2048
HEADER = 'case         batch    ours s   torch s   ratio   (best)  GFLOP   floor s  matrix GFLOP/s'
LINE = (
    '{case:12} {batch:5} {ours:9.5f} {torch:9.5f} {ratio:6.2f}x ({ratio_of_best:5.2f}x) '
    '{gflop:6.2f} {floor:9.5f} {matrix_gflops:15.0f}'
)


def ours(name: str) -> measure.Stepper:
    """Return our side of a case."""
    path, changes, shape = CASES[name]
    config = config_file.load(pathlib.Path(path))
    config.update_from_flattened_dict(changes)
    config.devices = 1
    return measure.Stepper(open_run(config, synthetic.like(config, shape)))


class Product:
    """Multiply square matrices of SIZE in float32: as much arithmetic as the machine can do."""

    def __init__(self):
        self.a = jnp.ones((SIZE, SIZE))
        self.f = jax.jit(jnp.matmul)

    def call(self, times: int = 1) -> float:
        """Multiply some times; return the seconds."""
        start = time.perf_counter()
        for _ in range(times):
            self.f(self.a, self.a).block_until_ready()
        return time.perf_counter() - start


def in_turn(sides: dict[str, Any], calls: dict[str, int], turns: int) -> dict[str, list[float]]:
    """Return the seconds of one call of each side, for each turn.

    The first turn is warm-up, and so is the first call of each: threads of the side before it may
    still spin.
    """
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(turns + 1):
        for name, side in sides.items():
            side.call()
            seconds = side.call(calls[name]) / calls[name]
            if turn:
                times[name].append(seconds)
    return times


def whole_rounds(steps: int, terms: Any) -> int:
    """Return steps, or more, so that each lazy term is due in the same share of them."""
    each = math.lcm(*(term.get('every', 1) for term in terms.values()))
    return -(-steps // each) * each


def compare(name: str, turns: int, steps: int) -> dict[str, Any]:
    """Return the numbers of a case."""
    stepper = ours(name)
    scanned = stepper.calls > 1
    steps = whole_rounds(steps, stepper.run.config.terms)
    case, most = torch_gan.CASES[name], 50 if scanned else steps
    trainer = THEIRS.get(name, torch_gan.Trainer)
    sides = {'ours': stepper, 'torch': trainer(case), 'mm': Product()}
    calls = {'ours': steps, 'torch': most, 'mm': 2}
    if scanned:  # threads do not pay for small layers: the faster way counts
        sides['one thread'], calls['one thread'] = trainer(case, threads=1), most
    times = in_turn(sides, calls, turns)
    seconds = {name: statistics.median(t) for name, t in times.items()}
    best = {name: min(t) for name, t in times.items()}
    theirs = min(seconds[k] for k in seconds if k not in ('ours', 'mm'))
    fastest = min(best[k] for k in best if k not in ('ours', 'mm'))
    mine = seconds['ours'] / stepper.calls
    flops = measure.flops_per_image(stepper.run, stepper.runner) * stepper.run.config.batch_size
    rate = 2 * SIZE**3 / best['mm']
    return {
        'case': name,
        'batch': stepper.run.config.batch_size,
        'ours': mine,
        'torch': theirs,
        'ratio': theirs / mine,
        'ratio_of_best': fastest / (best['ours'] / stepper.calls),
        'gflop': flops / 1e9,
        'floor': flops / rate,
        'matrix_gflops': rate / 1e9,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', default='', help='only cases whose name contains this')
    parser.add_argument('--turns', type=int, default=5)
    parser.add_argument('--steps', type=int, default=2, help='calls of each side in a turn')
    parser.add_argument('--json', action='store_true')
    args = parser.parse_args()
    machine.set_up()
    print(f'jax {jax.__version__}, torch {torch_gan.torch.__version__}, {jax.default_backend()}')
    print(HEADER)
    found = []
    for name in CASES:
        if args.only in name:
            row = compare(name, args.turns, args.steps)
            found.append(row)
            print(LINE.format(**row), flush=True)
    if args.json:
        print(json.dumps(found))


if __name__ == '__main__':
    main()
