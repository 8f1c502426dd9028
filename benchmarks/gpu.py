"""Run our steps and PyTorch's on a GPU, each in a process of its own, and print one table.

sh benchmarks/gpu.sh [--smoke] [--only=TEXT] [--batch=128] [--minutes=9.5]

Rows: DCGAN-64, DCGAN-128 and a wide GAN at 32x32; ours in float32, bfloat16 and deterministic, on
data that lives on the device, and streamed from the host; PyTorch's eager, channels last, AMP and
torch.compile. TFLOP/s is XLA's count of the step's operations over its time; share is that of the
rate of a large matrix product in the row's type, measured here first. Rows that do not come in
time are named, not dropped. --smoke: tiny networks on a CPU, to see that everything runs.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time
from typing import Any, NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROBE = """
import jax, json, time
import jax.numpy as jnp
found = dict(platform=jax.default_backend(), device=jax.devices()[0].device_kind)
n = 8192 if found['platform'] != 'cpu' else 256
for dtype in ('float32', 'bfloat16'):
    a = jnp.ones((n, n), dtype)
    f = jax.jit(lambda a: a @ a / n)
    f(a).block_until_ready()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        b = a
        for _ in range(10):
            b = f(b)
        b.block_until_ready()
        times.append((time.perf_counter() - start) / 10)
    found[dtype] = 2 * n**3 / sorted(times)[2]
print(json.dumps(found))
"""


class Net(NamedTuple):
    """Say how large the networks of a row are."""

    name: str
    size: int
    g: tuple[int, ...]
    d: tuple[int, ...]


NETS = (
    Net('dcgan64', 64, (512, 256, 128, 64), (64, 128, 256, 512)),
    Net('dcgan128', 128, (1024, 512, 256, 128, 64), (64, 128, 256, 512, 1024)),
    Net('wide32', 32, (1024, 512, 256), (256, 512, 1024)),
)
TINY = (Net('dcgan64', 16, (16, 8), (8, 16)),)
OURS = {
    'float32': [],
    'bfloat16': ['--config.precision=bfloat16'],
    'deterministic': ['--config.deterministic=True'],
    'streamed float32': ['--config.data.device_cache_mb=0'],
    'streamed bfloat16': ['--config.data.device_cache_mb=0', '--config.precision=bfloat16'],
}
TORCH = ('eager', 'channels_last', 'amp', 'compile')


class Row(NamedTuple):
    """Hold one line of the table before it is measured."""

    net: Net
    side: str
    kind: str
    command: list[str]

    @property
    def dtype(self) -> str:
        """Return the type of the matrix products."""
        return 'bfloat16' if self.kind == 'amp' or 'bfloat16' in self.kind else 'float32'


def rows(nets: tuple[Net, ...], batch: int, smoke: bool) -> list[Row]:
    """Return everything to run, what matters most first."""
    found = []
    steps = '4' if smoke else '50'
    for net in nets:
        options = ['--config=configs/dcgan64_cifar10.py', '--synthetic', '--json',
                   f'--shape={net.size}x{net.size}x3', f'--config.batch_size={batch}',
                   f'--config.model.g.widths={net.g}', f'--config.model.d.widths={net.d}',
                   f'--steps={steps}']  # fmt: skip
        for kind, more in OURS.items():
            found.append(Row(net, 'gan_jax', kind, ['throughput.py', *options, *more]))
        for mode in TORCH:
            if smoke and mode == 'compile':
                continue
            options = ['--case=dcgan64', f'--mode={mode}', f'--batch={batch}', '--json',
                       f'--size={net.size}', f'--g={",".join(map(str, net.g))}',
                       f'--d={",".join(map(str, net.d))}', f'--steps={steps}']  # fmt: skip
            found.append(Row(net, 'torch', mode, ['torch_gan.py', *options]))
    return found


def execute(arguments: list[str], seconds: float) -> dict[str, Any]:
    """Run Python with arguments; return the JSON of its last line, or {'error': why}."""
    try:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return {'error': f'not done in {seconds:.0f} s'}
    try:
        return json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        lines = (done.stderr or done.stdout).strip().splitlines() or ['no output']
        return {'error': lines[-1][:120]}


def line(row: Row, found: dict[str, Any], flops: float, rates: dict[str, float]) -> str:
    """Return a line of the table; `flops` is of one image."""
    name = f'{row.net.name:10} {row.side:8} {row.kind:18}'
    if 'error' in found:
        return f'{name} {found["error"]}'
    rate = found['images_per_second'] * flops
    peak = found.get('peak_bytes')
    memory = f'{peak / 1e9:8.2f}' if peak else f'{"-":>8}'
    return (
        f'{name} {found["images_per_second"]:11,.0f} {found["seconds_per_step"] * 1e3:8.2f} '
        f'{rate / 1e12:8.2f} {rate / rates[row.dtype]:7.1%} {memory}'
    )


def main() -> int:
    """Print the table; return 2 where there is no GPU."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--smoke', action='store_true')
    parser.add_argument('--only', default='', help='only rows whose name contains this')
    parser.add_argument('--batch', type=int, default=128)
    parser.add_argument('--minutes', type=float, default=9.5)
    args = parser.parse_args()
    end = time.monotonic() + 60 * args.minutes
    nets, batch = (TINY, 8) if args.smoke else (NETS, args.batch)
    if args.smoke:
        os.environ['JAX_PLATFORMS'] = 'cpu'
    probe = execute(['-c', PROBE], 120)
    if 'error' in probe or (probe['platform'] == 'cpu' and not args.smoke):
        why = probe.get('error', 'jax sees no GPU, only a CPU')
        print(f'nothing measured: {why}; --smoke runs tiny networks on a CPU', file=sys.stderr)
        return 2
    print(f'{probe["device"]}: matrix products at {probe["float32"] / 1e12:.1f} TFLOP/s in float32 '
          f'(as jax multiplies by default), {probe["bfloat16"] / 1e12:.1f} in bfloat16; '
          f'batch {batch}')  # fmt: skip
    print(f'{"networks":10} {"side":8} {"how":18} {"images/s":>11} {"ms/step":>8} {"TFLOP/s":>8} '
          f'{"share":>7} {"GB":>8}')  # fmt: skip
    flops: dict[str, float] = {}
    for row in rows(nets, batch, args.smoke):
        if args.only not in f'{row.net.name} {row.side} {row.kind}':
            continue
        left = end - time.monotonic()
        script, *options = row.command
        if row.side == 'torch' and args.smoke:
            options.append('--device=cpu')
        command = [str(ROOT / 'benchmarks' / script), *options]
        found = execute(command, min(left, 90)) if left > 5 else {'error': 'no time left'}
        flops.setdefault(row.net.name, found.get('flops_per_image', 0.0))
        print(line(row, found, flops[row.net.name], probe), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
