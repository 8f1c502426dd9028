"""How many images a second each source delivers, as ratios to what a training step consumes.

python benchmarks/data.py [--faces=celeba64_5k.zip] [--seconds=2] [--rounds=3] [--workers=2]
    [--step_images_per_second=N] [--json]

Every candidate is measured in turn, several rounds in one process, and the medians count, so that
what else the machine does falls on all of them. A delivered image is finished: on the device,
cropped, flipped, scaled. The step's rate is measured by benchmarks/throughput.py on the DCGAN-64
config unless it is given. PyTorch (the extra 'benchmark') is compared where it is installed.
"""

import argparse
import contextlib
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, cast

import jax
import numpy as np
from PIL import Image

from gan_jax import data
from gan_jax.data import pipeline
from gan_jax.data.preparation import write

BATCH = 64
ROOT = pathlib.Path(__file__).resolve().parent.parent


def unpack(faces: pathlib.Path, folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """Write the faces as 64x64 files, and 1,000 of them as 178x218 JPEGs; return both folders."""
    small, large = folder / 'small', folder / 'large'
    small.mkdir()
    large.mkdir()
    with zipfile.ZipFile(faces) as archive:
        archive.extractall(small)
    for file in sorted(small.iterdir())[:1000]:
        with Image.open(file) as image:
            image.resize((178, 218), Image.Resampling.BICUBIC).save(
                large / file.name, quality=92, subsampling='4:2:0'
            )
    return small, large


def batches(keys: dict, seed: int = 0) -> Iterator[jax.Array]:
    """Yield finished batches on the device, endlessly."""
    config = {**data.defaults(), 'transforms': 'flip', **keys}
    source = data.open_source(config)
    made = pipeline.make(source, config, batch_size=BATCH, seed=seed)
    resident = jax.device_put(made.resident)
    finish = jax.jit(made.preprocess)
    root = jax.random.key(0)
    with contextlib.closing(made.batches(0)) as raw:
        for number, batch in enumerate(raw):
            # a run makes these keys for its step anyway, inside the compiled program
            yield finish(resident, batch, keys_of(root, number))


@jax.jit
def keys_of(root: jax.Array, number: int) -> jax.Array:
    """Return a key per example of a batch."""
    return jax.random.split(jax.random.fold_in(root, number), BATCH)


def torch_batches(folder: pathlib.Path) -> Iterator:
    """Yield finished batches of PyTorch's DataLoader with two workers, endlessly."""
    import torch

    loader: Any = torch.utils.data.DataLoader(
        cast(Any, Faces(folder)), batch_size=BATCH, shuffle=True, num_workers=2, drop_last=True,
        persistent_workers=True, multiprocessing_context='spawn',
    )  # fmt: skip
    while True:
        yield from loader


class Faces:
    """The usual PyTorch data set: PIL decode, centre crop, resize, flip, normalise."""

    def __init__(self, folder: pathlib.Path):
        self.files = sorted(folder.iterdir())

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int):
        import torch

        with Image.open(self.files[index]) as file:
            image = file.convert('RGB')
        left, top = (max(0, (a - b) // 2) for a, b in (image.size, image.size[::-1]))
        side = min(image.size)
        if image.size != (64, 64):
            box = (left, top, left + side, top + side)
            image = image.resize((64, 64), Image.Resampling.LANCZOS, box=box)
        if torch.rand(()) < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
        return pixels.float().div(255).sub(0.5).div(0.5)


def rate(iterator: Iterator, seconds: float) -> float:
    """Return the images a second that an iterator delivers over some seconds."""
    start, count, last = time.perf_counter(), 0, None
    while time.perf_counter() - start < seconds:
        last = next(iterator)
        count += BATCH
    jax.block_until_ready(last) if isinstance(last, dict) else None
    return count / (time.perf_counter() - start)


def candidates(small: pathlib.Path, large: pathlib.Path, shards: pathlib.Path, workers: int):
    """Return {name: function that makes its iterator}.

    Decoding takes worker processes, as many as the DataLoader has; shards are only copied, for
    which passing them between processes would cost more than it brings.
    """
    stream = {'device_cache_mb': 0}
    folder = {'name': 'folder', 'size': '64', 'workers': workers, **stream}
    ready = {'name': 'prepared', 'path': str(shards)}
    makers: dict[str, Callable[[], Iterator]] = {
        'jpeg folder 64x64, streamed': lambda: batches({**folder, 'path': str(small)}),
        'jpeg folder 178x218, streamed': lambda: batches({**folder, 'path': str(large)}),
        'prepared shards, streamed': lambda: batches({**ready, **stream}),
        'prepared shards, on the device': lambda: batches(ready),
        'digits at 64x64, on the device': lambda: batches({'size': '64'}),
    }
    try:
        import torch  # noqa: F401
    except ImportError:
        return makers
    return makers | {
        'DataLoader, 64x64': lambda: torch_batches(small),
        'DataLoader, 178x218': lambda: torch_batches(large),
    }


def step_rate() -> float | None:
    """Return the images a second of the DCGAN-64 step, or None where they cannot be measured."""
    command = [sys.executable, str(ROOT / 'benchmarks/throughput.py'), '--synthetic', '--json',
               f'--config={ROOT}/configs/dcgan_celeba.py']  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    try:
        return float(json.loads(done.stdout.splitlines()[-1])['images_per_second'])
    except (ValueError, IndexError, KeyError):
        return None


def resident_bytes() -> int:
    """Return the bytes of memory that this process has in use now."""
    pages = int(pathlib.Path('/proc/self/statm').read_text().split()[1])
    return pages * resource.getpagesize()


def growth(shards: pathlib.Path) -> dict[str, float]:
    """Stream a set that is ten times the prefetch buffer; return MiB at its tenths."""
    before = pipeline.BUFFER_BYTES
    source = data.open_source({**data.defaults(), 'name': 'prepared', 'path': str(shards)})
    pipeline.BUFFER_BYTES = len(source) * source.spec.nbytes // 10
    config = {**data.defaults(), 'device_cache_mb': 0}
    try:
        made = pipeline.make(source, config, batch_size=BATCH, seed=0)
        sizes = []
        with contextlib.closing(made.batches(0)) as raw:
            for number, _ in zip(range(2 * len(source) // BATCH), raw, strict=False):
                if number % max(1, len(source) // BATCH // 5) == 0:
                    sizes.append(resident_bytes() / 2**20)
    finally:
        pipeline.BUFFER_BYTES = before
    half = len(sizes) // 2
    return {'first epoch': max(sizes[1:half]), 'second epoch': max(sizes[half:])}


def measure(makers: dict, seconds: float, rounds: int) -> dict[str, float]:
    """Return the median images a second of each candidate, over rounds in turn."""
    found: dict[str, list[float]] = {name: [] for name in makers}
    for _ in range(rounds):
        for name, make in makers.items():
            iterator = make()
            # the first batches start threads and workers, and compile
            for _ in range(8):
                next(iterator)
            found[name].append(rate(iterator, seconds))
            # a generator ends its threads and workers
            cast(Any, iterator).close()
    return {name: statistics.median(rates) for name, rates in found.items()}


def ratios(rates: dict[str, float], step: float | None) -> dict[str, tuple[float, float]]:
    """Return {what: (ratio, goal)} of the goals that this run can tell."""
    found = {}
    if step:
        found['prepared, streamed / DCGAN-64 step'] = (
            rates['prepared shards, streamed'] / step, 5.0)  # fmt: skip
        found['on the device / DCGAN-64 step'] = (
            rates['prepared shards, on the device'] / step, 5.0)  # fmt: skip
        found['jpeg folder 178x218 / DCGAN-64 step'] = (
            rates['jpeg folder 178x218, streamed'] / step, 2.0)  # fmt: skip
    for name in ('64x64', '178x218'):
        loader = rates.get(f'DataLoader, {name}')
        if loader:
            folder = rates[f'jpeg folder {name}, streamed']
            found[f'jpeg folder {name} / DataLoader'] = (folder / loader, 1.0)
            if name == '64x64':
                shards = rates['prepared shards, streamed']
                found['prepared, streamed / DataLoader'] = (shards / loader, 10.0)
                device = rates['prepared shards, on the device']
                found['prepared, on the device / DataLoader'] = (device / loader, 10.0)
    return found


def arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--faces', default=str(ROOT / '../shared/data/celeba64_5k.zip'))
    parser.add_argument('--seconds', type=float, default=2.0)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--step_images_per_second', type=float, default=0.0)
    parser.add_argument('--json', action='store_true')
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    args = arguments()
    step = args.step_images_per_second or step_rate()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        small, large = unpack(pathlib.Path(args.faces), folder)
        source = data.open_source({**data.defaults(), 'name': 'folder', 'path': str(small)})
        write.write_shards(source, folder / 'shards', {'source': args.faces})
        memory = growth(folder / 'shards')
        makers = candidates(small, large, folder / 'shards', args.workers)
        rates = measure(makers, args.seconds, args.rounds)
    found = ratios(rates, step)
    if args.json:
        print(json.dumps({'images_per_second': rates, 'step': step, 'ratios': found,
                          'mib': memory}))  # fmt: skip
        return
    for name, value in rates.items():
        print(f'{name:36} {value:10.0f} images/s')
    for name, (value, goal) in found.items():
        print(f'{name:44} {value:8.2f}  goal {goal:g}')
    for name, value in memory.items():
        print(f'memory in the {name}: {value:.0f} MiB')


if __name__ == '__main__':
    main()
