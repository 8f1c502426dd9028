"""Time the metrics against what people use now, on the same arrays in one run.

python benchmarks/metrics.py [frechet] [prdc] [inception]

Needs scipy, and `pip install prdc torch` for the last two. Prints one table: seconds of ours, of
theirs, and how many times faster ours is; each is the best of several rounds, taken in turns.
"""

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable

import jax
import numpy as np
import scipy.linalg

from gan_jax.metrics.evaluators import fid, prdc
from gan_jax.metrics.inception.network import Inception
from gan_jax.runtime import process as machine

Row = tuple[str, str, float, float]


def best(rounds: int, *functions: Callable) -> list[float]:
    """Return each function's shortest time in seconds; they run in turns."""
    times = [[float('inf')] for _ in functions]
    for _ in range(rounds):
        for function, taken in zip(functions, times, strict=True):
            began = time.perf_counter()
            function()
            taken.append(time.perf_counter() - began)
    return [min(taken) for taken in times]


def frechet(d: int = 2048) -> list[Row]:
    """Time the Frechet distance from moments of d dimensions."""
    rng = np.random.default_rng(0)
    moments = []
    for _ in range(2):
        x = rng.standard_normal((d + 1000, d)) @ np.diag(np.linspace(0.1, 2, d))
        moments += [x.mean(0), np.cov(x, rowvar=False)]

    def theirs():
        root = scipy.linalg.sqrtm(moments[1] @ moments[3])
        return float(np.trace(moments[1] + moments[3] - 2 * root.real))

    ours, other = best(2, lambda: fid.frechet_distance(*moments), theirs)
    return [(f'Frechet distance, d = {d}', 'scipy.linalg.sqrtm', ours, other)]


def manifolds(n: int = 10_000, d: int = 2048, k: int = 5) -> list[Row]:
    """Time precision, recall, density and coverage."""
    from prdc import compute_prdc

    rng = np.random.default_rng(0)
    real, fake = (np.abs(rng.standard_normal((n, d), np.float32)) * s for s in (1, 1.02))

    def theirs():
        with contextlib.redirect_stdout(io.StringIO()):
            compute_prdc(real, fake, k)

    ours, other = best(2, lambda: prdc.prdc(real, fake, k), theirs)
    return [(f'precision .. coverage, {n} x {n} x {d}', 'prdc', ours, other)]


def inception(batch: int = 16) -> list[Row]:
    """Time the FID network, resizing not included, against a network of the same shapes."""
    import torch

    images = np.random.default_rng(0).standard_normal((batch, 299, 299, 3), np.float32)
    variables = Inception().init(jax.random.key(0), images[:1])
    ours = jax.jit(lambda v, x: Inception().apply(v, x))
    jax.block_until_ready(ours(variables, images))
    network = reference_network().eval()
    plain = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    last = plain.to(memory_format=torch.channels_last)
    fast = reference_network().eval().to(memory_format=torch.channels_last)
    with torch.inference_mode():
        times = best(
            5,
            lambda: jax.block_until_ready(ours(variables, images)),
            lambda: network(plain),
            lambda: fast(last),
        )
    name = f'Inception features, {batch} images'
    return [
        (name, "pytorch-fid's network", times[0], times[1]),
        (name, 'the same, channels last', times[0], times[2]),
    ]


def reference_network():
    """Build a PyTorch network of the FID network's shapes, batch norms separate as published."""
    from torch import cat, nn

    class Conv(nn.Sequential):
        def __init__(self, inputs, outputs, kernel, stride=1, padding=0):
            super().__init__(
                nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
                nn.BatchNorm2d(outputs, eps=1e-3),
                nn.ReLU(inplace=True),
            )

    class Fork(nn.ModuleList):
        def forward(self, x):
            return cat([branch(x) for branch in self], 1)

    def fork(*branches):
        return Fork([nn.Sequential(*b) if isinstance(b, tuple) else b for b in branches])

    def average():
        return nn.AvgPool2d(3, 1, 1, count_include_pad=False)

    def row(inputs, outputs, n):
        return Conv(inputs, outputs, (1, n), 1, (0, n // 2))

    def column(inputs, outputs, n):
        return Conv(inputs, outputs, (n, 1), 1, (n // 2, 0))

    def a(n, pool):
        return fork(
            Conv(n, 64, 1),
            (Conv(n, 48, 1), Conv(48, 64, 5, 1, 2)),
            (Conv(n, 64, 1), Conv(64, 96, 3, 1, 1), Conv(96, 96, 3, 1, 1)),
            (average(), Conv(n, pool, 1)),
        )

    def b():
        double = (Conv(288, 64, 1), Conv(64, 96, 3, 1, 1), Conv(96, 96, 3, 2))
        return fork(Conv(288, 384, 3, 2), double, nn.MaxPool2d(3, 2))

    def c(n):
        double = (column(n, n, 7), row(n, n, 7), column(n, n, 7), row(n, 192, 7))
        return fork(
            Conv(768, 192, 1),
            (Conv(768, n, 1), row(n, n, 7), column(n, 192, 7)),
            (Conv(768, n, 1), *double),
            (average(), Conv(768, 192, 1)),
        )

    def d():
        seven = (Conv(768, 192, 1), row(192, 192, 7), column(192, 192, 7), Conv(192, 192, 3, 2))
        return fork((Conv(768, 192, 1), Conv(192, 320, 3, 2)), seven, nn.MaxPool2d(3, 2))

    def e(n, pool):
        return fork(
            Conv(n, 320, 1),
            (Conv(n, 384, 1), fork(row(384, 384, 3), column(384, 384, 3))),
            (
                Conv(n, 448, 1),
                Conv(448, 384, 3, 1, 1),
                fork(row(384, 384, 3), column(384, 384, 3)),
            ),
            (pool, Conv(n, 192, 1)),
        )

    stem = (Conv(3, 32, 3, 2), Conv(32, 32, 3), Conv(32, 64, 3, 1, 1), nn.MaxPool2d(3, 2))
    stem = (*stem, Conv(64, 80, 1), Conv(80, 192, 3), nn.MaxPool2d(3, 2))
    middle = (a(192, 32), a(256, 64), a(288, 64), b(), c(128), c(160), c(160), c(192))
    top = (d(), e(1280, average()), e(2048, nn.MaxPool2d(3, 1, 1)), nn.AdaptiveAvgPool2d(1))
    return nn.Sequential(*stem, *middle, *top)


BENCHMARKS = {'frechet': frechet, 'prdc': manifolds, 'inception': inception}


def main(names: list[str]) -> None:
    """Run the benchmarks of these names, or all, and print their table."""
    machine.set_up()
    print(f'{os.cpu_count()} CPUs, jax {jax.__version__}, {jax.devices()[0].device_kind}\n')
    print('| what | against | ours, s | theirs, s | times faster |')
    print('| --- | --- | --- | --- | --- |')
    for name in names or BENCHMARKS:
        for what, against, ours, theirs in BENCHMARKS[name]():
            print(f'| {what} | {against} | {ours:.2f} | {theirs:.2f} | {theirs / ours:.1f} |')


if __name__ == '__main__':
    main(sys.argv[1:])
