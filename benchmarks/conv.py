"""Time the convolutions of gan_jax.nn against plain lax, and against PyTorch where it is installed.

python benchmarks/conv.py [--repeats=7] [--only=dcgan_cifar10]

Layers are those of all configs ('SAME' padding alone, batches cut as `layers.py` cuts them), and of
a ResNet, and grouped ones. Prints one line per layer and direction: milliseconds of ours, its
GFLOP/s, and how many times longer plain lax (and PyTorch, channels last) takes. The candidates take
turns, so that a busy machine slows all of them alike; each number is the median over the turns.
"""

import argparse
import functools
import importlib.util
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from layers import CONFIGS, Layer, layers_of

from gan_jax.runtime import process

torch: Any = importlib.import_module('torch') if importlib.util.find_spec('torch') else None


# of networks that come: layers of a ResNet GAN at 32 and 64 pixels
RESNET = [
    Layer(32, (32, 32), 64, 64, (3, 3), 1, 'SAME', None),
    Layer(32, (16, 16), 128, 128, (3, 3), 1, 'SAME', None),
    Layer(32, (8, 8), 256, 256, (3, 3), 1, 'SAME', None),
    Layer(32, (32, 32), 128, 3, (3, 3), 1, 'SAME', None),
]
# of ResNeXt blocks, and a depthwise one
GROUPED = [
    Layer(32, (16, 16), 128, 128, (3, 3), 1, 'SAME', None, 8),
    Layer(32, (8, 8), 256, 256, (3, 3), 1, 'SAME', None, 16),
    Layer(32, (16, 16), 128, 128, (3, 3), 1, 'SAME', None, 16),
    Layer(32, (16, 16), 128, 128, (3, 3), 1, 'SAME', None, 128),
]


def plain(layer: Layer, x: jax.Array, w: jax.Array) -> jax.Array:
    """Apply a layer by lax alone."""
    strides = (layer.stride,) * 2
    if layer.output_padding is not None:
        return jax.lax.conv_transpose(x, w[::-1, ::-1], strides, 'SAME')
    numbers = ('NHWC', 'HWIO', 'NHWC')
    return jax.lax.conv_general_dilated(
        x, w, strides, 'SAME', dimension_numbers=numbers, feature_group_count=layer.groups
    )


def in_jax(apply: Callable, layer: Layer, x: np.ndarray, w: np.ndarray) -> dict[str, Callable]:
    """Return a function to time for each direction."""
    f = functools.partial(apply, layer)
    xs, ws = jnp.asarray(x), jnp.asarray(w)
    y = jax.jit(f)(xs, ws)
    by_x = jax.jit(lambda x, w, y: jax.vjp(lambda x: f(x, w), x)[1](y))
    by_w = jax.jit(lambda x, w, y: jax.vjp(lambda w: f(x, w), w)[1](y))
    forward = jax.jit(f)
    return {
        'forward': lambda: jax.block_until_ready(forward(xs, ws)),
        'd input': lambda: jax.block_until_ready(by_x(xs, ws, y)),
        'd kernel': lambda: jax.block_until_ready(by_w(xs, ws, y)),
    }


def in_torch(layer: Layer, x: np.ndarray, w: np.ndarray) -> dict[str, Callable]:
    """Return a function to time for each direction, in PyTorch with channels last."""
    last = {'memory_format': torch.channels_last}
    xs = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).to(**last).requires_grad_()
    transposed = layer.output_padding is not None
    axes = (2, 3, 0, 1) if transposed else (3, 2, 0, 1)
    ws = torch.from_numpy(w.transpose(axes).copy()).to(**last).requires_grad_()
    name = 'conv_transpose2d' if transposed else 'conv2d'
    options = {'stride': layer.stride, 'padding': (layer.kernel[0] - 1) // 2}
    if transposed and layer.kernel[0] % 2:
        options |= {'output_padding': layer.stride - 1}
    if not transposed:
        options |= {'groups': layer.groups}
    f = functools.partial(getattr(torch.nn.functional, name), **options)
    y = f(xs, ws)
    seed = torch.ones_like(y)

    def forward():
        with torch.no_grad():
            f(xs, ws)

    return {
        'forward': forward,
        'd input': lambda: torch.autograd.grad(y, xs, seed, retain_graph=True),
        'd kernel': lambda: torch.autograd.grad(y, ws, seed, retain_graph=True),
    }


def in_turn(candidates: dict[str, Callable], repeats: int) -> dict[str, float]:
    """Return the median milliseconds of each candidate; the first turn is warm-up.

    Each turn runs a candidate twice and times the second: threads of the one before may still spin.
    """
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(repeats + 1):
        for name, run in candidates.items():
            run()
            start = time.perf_counter()
            run()
            if turn:
                times[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(t) for name, t in times.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--repeats', type=int, default=7)
    parser.add_argument('--only', default='', help='only layers whose name contains this')
    args = parser.parse_args()
    process.set_up()
    print(
        f'{jax.default_backend()}, jax {jax.__version__}, {torch and "torch " + torch.__version__}'
    )
    print(f'{"layer":72} {"direction":9} {"ours ms":>8} {"GFLOP/s":>7} {"lax":>7} {"torch":>7}')
    rng = np.random.default_rng(0)
    found = {layer: ['resnet'] for layer in RESNET} | {layer: ['grouped'] for layer in GROUPED}
    if args.only not in ('resnet', 'grouped'):
        found = layers_of(sorted(CONFIGS.glob('*.py')), '') | found
    for layer, names in found.items():
        label = f'{names[0]} {layer}'
        if args.only not in label or layer.padding != 'SAME':
            continue
        x, w = (rng.normal(size=a.shape).astype(np.float32) for a in layer.arrays())
        sides = {'ours': in_jax(Layer.apply, layer, x, w), 'lax': in_jax(plain, layer, x, w)}
        if torch:
            sides['torch'] = in_torch(layer, x, w)
        for direction in sides['ours']:
            ms = in_turn({side: runs[direction] for side, runs in sides.items()}, args.repeats)
            ratios = [f'{ms[s] / ms["ours"]:6.2f}x' if s in ms else '' for s in ('lax', 'torch')]
            rate = layer.operations() / ms['ours'] / 1e6
            cells = f'{ms["ours"]:8.1f} {rate:7.0f} {ratios[0]:>7} {ratios[1]:>7}'
            print(f'{label:72} {direction:9} {cells}')


if __name__ == '__main__':
    main()
