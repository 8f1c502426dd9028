"""Race to a stated quality: seconds from nothing, for our recipe and for PyTorch's DCGAN.

python benchmarks/speedrun.py --classifier=runs/classifier_mnist [--seeds=3] [--limit=5]
    [--workdir=runs/speedrun] [LAUNCH ARGUMENTS, as --config.data.path=DIR]

The task: make digits from the first 5,000 images of MNIST. The quality, of 5,000 made images
against the next 5,000 by the features of configs/classifier_mnist.py: Frechet distance at most 3
times that of the two sets of real images, and coverage at least 0.8 of it.

Ours is configs/speedrun_mnist.py as a user runs it, with nothing compiled before: from the start of
the command to its end. Its last generator is what is measured, and has to pass. Theirs is the
network and the loop of PyTorch's example at 32x32, digits with a margin of two pixels: the seconds
of its steps alone, without imports, data, and measuring, which is done after each PERIOD of steps
until one passes, or until it took --limit times as long as ours. Both train with all cores.
PyTorch: pip install torch; --limit=0 leaves it out.
"""

import argparse
import pathlib
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from results import command

import gan_jax
from gan_jax import cli, data
from gan_jax.core import nodes
from gan_jax.data.geometry import Geometry
from gan_jax.data.in_memory import InMemory
from gan_jax.data.protocol import load
from gan_jax.errors import UserError, reported
from gan_jax.kinds.image import to_uint8
from gan_jax.metrics import comparison, options
from gan_jax.metrics.sets import ImageSet
from gan_jax.runtime import process

CONFIG = pathlib.Path(__file__).resolve().parent.parent / 'configs' / 'speedrun_mnist.py'
HELD_OUT = 'train[5000:10000]'
METRICS = ('fid', 'prdc')
NUM, BATCH = 5000, 500
# Of what real images have: Frechet distance and coverage.
AT_MOST, AT_LEAST = 3.0, 0.8
PERIOD = 250
# Numbers of pixels around a digit that PyTorch's network, which doubles, makes beside it.
MARGIN = 2
HEADER = 'who      seed  seconds  images  frechet  coverage'


class Quality(NamedTuple):
    """Hold the Frechet distance to the held-out images, and the share of them that is covered."""

    frechet: float
    coverage: float

    def reaches(self, real: 'Quality') -> bool:
        """Return whether it is good enough, given the quality of real images."""
        near = self.frechet <= AT_MOST * real.frechet
        return near and self.coverage >= AT_LEAST * real.coverage


class Judge:
    """Measure images against the held-out ones by the features of a classifier's run."""

    def __init__(self, keys: Mapping[str, Any], classifier: str):
        self.held_out = images(keys, HELD_OUT)
        given = {**nodes.defaults(options.declared()), 'metrics': METRICS, 'batch_size': BATCH}
        self.protocol = comparison.Protocol.of(given)
        given |= {'features': 'classifier', 'weights': classifier}
        self.extractor = self.protocol.extractor(given, gan_jax.load)

    def __call__(self, made: np.ndarray) -> Quality:
        """Return the quality of images uint8 [n, 28, 28, 1]."""
        real, fake = (
            ImageSet.of(name, '', InMemory(x, None, Geometry(), name), '[-1,1]')
            for name, x in (('held-out', self.held_out), ('made', made))
        )
        found = comparison.compare_sets(real, fake, self.extractor, self.protocol)
        values = {one['metric']: one['value'] for one in found}
        return Quality(values['classifier-frechet'], values['classifier-coverage'])


class Row(NamedTuple):
    """Say what a run came to."""

    who: str
    seed: int
    seconds: float
    images: int
    quality: Quality
    reached: bool


def line(row: Row) -> str:
    """Return a line of the table."""
    who, seed, seconds, seen, quality, reached = row
    said = 'reached' if reached else 'not reached'
    measured = f'{quality.frechet:8.3f} {quality.coverage:9.3f}'
    return f'{who:8} {seed:4} {seconds:8.1f} {seen:7} {measured}  {said}'


def images(keys: Mapping[str, Any], split: str) -> np.ndarray:
    """Return the images of a split of the data that a config describes, uint8 [n, H, W, C]."""
    source = data.open_split(keys, split)
    return load(source, np.arange(len(source)))['image']


def ours(seed: int, folder: pathlib.Path, given: Sequence[str], judge: Judge, real: Quality) -> Row:
    """Run the recipe as a command of its own, which finds nothing compiled, and measure it.

    Raises:
      UserError: the folder is there, so that it would not begin with nothing; or the run failed.
    """
    if folder.exists():
        raise UserError(f'{folder} is there: a race begins with nothing; choose another --workdir')
    with tempfile.TemporaryDirectory() as empty:
        own = f'--config={CONFIG}', f'--workdir={folder}', f'--config.seed={seed}'
        start = time.perf_counter()
        command(*own, *given, JAX_COMPILATION_CACHE_DIR=empty)
        seconds = time.perf_counter() - start
    trained = gan_jax.load(folder)
    quality = judge(trained.sample(NUM))
    seen = int(trained.state.images)
    return Row('ours', seed, seconds, seen, quality, quality.reaches(real))


def theirs(seed: int, train: np.ndarray, judge: Judge, real: Quality, limit: float) -> Row:
    """Train PyTorch's DCGAN until its images are good enough, or for a number of seconds."""
    # only needed where it is asked for, and an extra
    import torch
    import torch_gan

    torch.manual_seed(seed)
    case = torch_gan.CASES['dcgan32']._replace(channels=1)
    trainer = torch_gan.Trainer(case)
    sides = (MARGIN, MARGIN)
    wide = torch.from_numpy(np.pad(train, ((0, 0), sides, sides, (0, 0))))
    trainer.images = wide.permute(0, 3, 1, 2).contiguous(memory_format=trainer.layout)
    seconds, images = 0.0, 0
    while True:
        seconds += trainer.call(PERIOD)
        images += PERIOD * case.batch
        trainer.g.eval()
        with torch.no_grad():
            made = torch.cat([trainer.make() for _ in range(-(-NUM // case.batch))])
        trainer.g.train()
        inner = made[:NUM, :, MARGIN:-MARGIN, MARGIN:-MARGIN].permute(0, 2, 3, 1)
        quality = judge(to_uint8(inner.numpy(), '[-1,1]'))
        if quality.reaches(real) or seconds > limit:
            return Row('PyTorch', seed, seconds, images, quality, quality.reaches(real))


def main() -> None:
    """Print a row for each run, and the limits.

    Raises:
      UserError: a run failed, or there is no such classifier.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument('--classifier', required=True, help='folder of a run of classifier_mnist')
    parser.add_argument('--seeds', type=int, default=3, help='runs of each')
    parser.add_argument('--limit', type=float, default=5.0, help='of PyTorch, in times of ours')
    parser.add_argument('--workdir', default='runs/speedrun', help='folder of the runs')
    args, given = parser.parse_known_args()
    process.set_up()
    keys = cli.parse(['', f'--config={CONFIG}', *given]).config.data
    train, judge = images(keys, keys.split), Judge(keys, args.classifier)
    real = judge(train)
    print(HEADER, line(Row('real', 0, 0.0, 0, real, True)), sep='\n', flush=True)
    for seed in range(args.seeds):
        own = ours(seed, pathlib.Path(args.workdir, str(seed)).resolve(), given, judge, real)
        print(line(own), flush=True)
        if args.limit:
            print(line(theirs(seed, train, judge, real, args.limit * own.seconds)), flush=True)


if __name__ == '__main__':
    with reported():
        main()
