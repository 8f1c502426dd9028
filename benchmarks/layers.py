"""Time every convolution of every config against a product of matrices of its size.

python benchmarks/layers.py [--config=configs/NAME.py] [--shape=HxWxC] [--repeats=3] [--worst=20]

Walks the networks of a config, or of all in configs/, as a training step calls them, on random
images in place of data. For each convolution it prints milliseconds of the output and of both
gradients, and how many times longer than a product of as many operations that is: rows of outputs,
columns of features, summed over taps and channels. Batches are cut where a layer takes long.

Exit status 1, and a line for each, where something takes `worst` times longer or more: there XLA
has no kernel for a shape (see docs/performance.md).
"""

import argparse
import functools
import math
import pathlib
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import config_file
from gan_jax.data import synthetic
from gan_jax.errors import UserError, reported
from gan_jax.nn import conv
from gan_jax.runtime import process
from gan_jax.training import measure
from gan_jax.training.run import open_phase, open_run

CONFIGS = pathlib.Path(__file__).resolve().parent.parent / 'configs'
# of images whose size stands in their files alone
SHAPES = {'dcgan_quickdraw': '28x28x1'}
# a layer is timed on batches of about so many operations, a product on so many numbers
OPERATIONS, NUMBERS = 2e9, 2**24
DIRECTIONS = ('forward', 'd input', 'd kernel')


class Layer(NamedTuple):
    """One convolution as a step calls it: on images [batch, *size, inputs]."""

    batch: int
    size: tuple[int, int]
    inputs: int
    outputs: int
    kernel: tuple[int, int]
    stride: int
    padding: conv.Padding
    output_padding: int | None  # None where it is not transposed
    groups: int = 1

    def __str__(self) -> str:
        kind = 'conv' if self.output_padding is None else 'transposed'
        channels, size = f'{self.inputs}->{self.outputs}', 'x'.join(map(str, self.size))
        taps = 'x'.join(map(str, self.kernel))
        groups = f' in {self.groups} groups' * (self.groups > 1)
        where = f'{channels}{groups} at {self.batch}x{size}'
        return f'{kind} {taps}/{self.stride} {self.padding} {where}'

    def apply(self, x: jax.Array, w: jax.Array) -> jax.Array:
        """Convolve x with w as the layer does."""
        if self.output_padding is None:
            return conv.conv2d(x, w, self.stride, self.padding, self.groups)
        return conv.conv_transpose2d(x, w, self.stride, self.padding, self.output_padding)

    def arrays(self) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
        """Return the shapes of images and kernel."""
        x = (self.batch, *self.size, self.inputs)
        w = (*self.kernel, self.inputs // self.groups, self.outputs)
        return jax.ShapeDtypeStruct(x, jnp.float32), jax.ShapeDtypeStruct(w, jnp.float32)

    def product(self) -> tuple[int, int, int]:
        """Return rows, columns and terms of the product of matrices that is as large."""
        pixels = math.prod(self.size)
        if self.output_padding is None:
            pixels = math.prod(jax.eval_shape(self.apply, *self.arrays()).shape[1:3])
        terms = math.prod(self.kernel) * self.inputs // self.groups
        return self.batch * pixels, self.outputs, terms

    def operations(self) -> int:
        """Return the operations of one direction, those on padding too."""
        return 2 * math.prod(self.product())

    def cut(self, operations: float) -> 'Layer':
        """Return the layer with a batch of at most so many operations, but of 1 at least."""
        most = int(operations / self._replace(batch=1).operations())
        return self._replace(batch=max(1, min(self.batch, most)))


def walk(config: Any, shape: str = '') -> list[Layer]:
    """Return the convolutions of a config's training step, each once, in the order of the calls.

    Raises:
      UserError: something in the config is wrong, or nothing tells the size of its images.
    """
    config = config.copy_and_resolve_references()
    config.devices = 1
    run = open_run(config, synthetic.like(config, shape))
    found: list[Layer] = []

    def watch(call, args, kwargs, context):
        module = context.module
        if isinstance(module, conv.Conv) and context.method_name == '__call__':
            batch, *size, inputs = args[0].shape
            k = module.kernel
            kernel = (k, k) if isinstance(k, int) else tuple(k)
            more = getattr(module, 'output_padding', None)
            found.append(Layer(batch, tuple(size), inputs, module.features, kernel, module.stride,
                               module.padding, more, module.groups))  # fmt: skip
        return call(*args, **kwargs)

    runner = open_phase(run, run.algorithm.phases()[0])
    step, shapes = measure.step_of_one_device(run, runner)
    with nn.intercept_methods(watch):
        jax.eval_shape(step, *shapes)
    return list(dict.fromkeys(found))


def directions(layer: Layer) -> list[Callable[[], Any]]:
    """Return a call for each of DIRECTIONS."""
    rng = np.random.default_rng(0)
    x, w = (jnp.asarray(rng.normal(size=a.shape), a.dtype) for a in layer.arrays())
    forward = jax.jit(layer.apply)
    y = forward(x, w)
    by_x = jax.jit(lambda x, w, y: jax.vjp(lambda x: layer.apply(x, w), x)[1](y)[0])
    by_w = jax.jit(lambda x, w, y: jax.vjp(lambda w: layer.apply(x, w), w)[1](y)[0])
    return [lambda: forward(x, w), lambda: by_x(x, w, y), lambda: by_w(x, w, y)]


@functools.cache
def matrix_seconds(rows: int, columns: int, terms: int, repeats: int) -> float:
    """Return the seconds of a product of matrices; of a part of its rows where it is large."""
    some = max(1, min(rows, NUMBERS // max(columns, terms)))
    a, b = jnp.ones((some, terms)), jnp.ones((terms, columns))
    multiply = jax.jit(jnp.matmul)
    return seconds(lambda: multiply(a, b), repeats) * rows / some


def seconds(call: Callable[[], Any], repeats: int) -> float:
    """Return the median seconds of a call after one for warm-up."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def layers_of(paths: list[pathlib.Path], shape: str) -> dict[Layer, list[str]]:
    """Return the convolutions of some configs, cut, with the names of the configs that have them.

    One of several configs that cannot be walked without its data is named on a line.

    Raises:
      UserError: the only config cannot be walked.
    """
    found: dict[Layer, list[str]] = {}
    for path in paths:
        try:
            layers = walk(config_file.load(path), shape or SHAPES.get(path.stem, ''))
        except UserError as error:
            if len(paths) == 1:
                raise
            print(f'not walked: {path.stem}: {error}')
            continue
        for layer in dict.fromkeys(layer.cut(OPERATIONS) for layer in layers):
            found.setdefault(layer, []).append(path.stem)
    return found


def main() -> int:
    """Print the table; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', default='')
    parser.add_argument('--shape', default='')
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--worst', type=float, default=20)
    args = parser.parse_args()
    process.set_up()
    paths = [pathlib.Path(args.config)] if args.config else sorted(CONFIGS.glob('*.py'))
    print(f'{jax.default_backend()}, jax {jax.__version__}')
    slow = []
    heads = ' '.join(f'{name + " ms":>11} {"":>7}' for name in DIRECTIONS)
    print(f'{"layer":48} {"GFLOP":>6} {"matrix ms":>9} {heads}  configs')
    for layer, names in layers_of(paths, args.shape).items():
        product = matrix_seconds(*layer.product(), args.repeats)
        times = [seconds(call, args.repeats) for call in directions(layer)]
        cells = ' '.join(f'{t * 1e3:11.2f} {t / product:6.1f}x' for t in times)
        gflop = layer.operations() / 1e9
        print(f'{layer!s:48} {gflop:6.2f} {product * 1e3:9.2f} {cells}  {", ".join(names)}',
              flush=True)  # fmt: skip
        slow += [f'{layer}, {d}: {t / product:.0f}x' for d, t in zip(DIRECTIONS, times, strict=True)
                 if t > args.worst * product]  # fmt: skip
    for line in slow:
        print(f'slow: {line}')
    return 1 if slow else 0


if __name__ == '__main__':
    with reported():
        sys.exit(main())
