"""Race to a stated quality: seconds from nothing, for our recipe and for PyTorch's DCGAN.

python benchmarks/speedrun.py --judge=runs/classifier_mnist [--seeds=3] [--limit=5]
    [--workdir=runs/speedrun] [LAUNCH ARGUMENTS, as --config.data.path=DIR]
python benchmarks/speedrun.py --task=celeba --judge=inception_2015_768.npz
    --config.data.path=faces

A task is images to learn from, others of their kind to be measured against, and a quality: for
digits and for faces, TASKS below says which. The judge is a run of configs/classifier_mnist.py, or
the file of Inception's early weights.

Ours is configs/speedrun_TASK.py as a user runs it, with nothing compiled before: from the start of
the command to its end. Its last generator is what is measured, and has to pass. Theirs is the
network and the loop of PyTorch's example, at 32x32 for digits with a margin of two pixels: the
seconds of its steps alone, without imports, data, and measuring, which is done after each PERIOD of
steps until one passes, or until it took --limit times as long as ours. Both train with all cores.
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
from gan_jax.metrics import comparison, measurement, options
from gan_jax.metrics.evaluators.protocol import title
from gan_jax.metrics.sets import ImageSet
from gan_jax.runtime import process

CONFIGS = pathlib.Path(__file__).resolve().parent.parent / 'configs'
# What a quality is made of: metrics, and which of their values.
METRICS = {'fid': 'fid', 'prdc': 'coverage'}
BATCH = 100
PERIOD = 250
HEADER = 'who      seed  seconds  images  frechet  coverage'


class Task(NamedTuple):
    """Say what is to be reached.

    held_out: the split of the data that images are measured against, num of each. features: the
    network that judges. at_most, at_least: Frechet distance and coverage, as multiples of those of
    real images of training. case, margin: PyTorch's, and the pixels that its network, which
    doubles, makes beside each side of an image.
    """

    held_out: str
    num: int
    features: str
    at_most: float
    at_least: float
    case: str
    margin: int = 0


TASKS = {
    'mnist': Task('train[5000:10000]', 5000, 'classifier', 3.0, 0.8, 'dcgan32', margin=2),
    'celeba': Task('test', 1000, 'inception768', 10.0, 0.0, 'dcgan64'),
}


class Quality(NamedTuple):
    """Hold the Frechet distance to the held-out images, and the share of them that is covered."""

    frechet: float
    coverage: float

    def reaches(self, task: Task, real: 'Quality') -> bool:
        """Return whether it is good enough, given the quality of real images."""
        near = self.frechet <= task.at_most * real.frechet
        return near and self.coverage >= task.at_least * real.coverage


class Judge:
    """Measure images against the held-out ones by the features of the task's network."""

    def __init__(self, task: Task, keys: Mapping[str, Any], weights: str):
        self.held_out = images(keys, task.held_out)[: task.num]
        given = {**nodes.defaults(options.declared()), 'metrics': (*METRICS,), 'batch_size': BATCH}
        self.protocol = measurement.Protocol.of(given)
        given |= {'features': task.features, 'weights': weights}
        self.extractor = self.protocol.extractor(given, gan_jax.load)

    def __call__(self, made: np.ndarray) -> Quality:
        """Return the quality of images uint8 [n, H, W, C]."""
        real, fake = (
            ImageSet.of(name, '', InMemory(x, None, Geometry(), name), '[-1,1]')
            for name, x in (('held-out', self.held_out), ('made', made))
        )
        found = comparison.compare_sets(real, fake, self.extractor, self.protocol)
        values = {one['metric']: one['value'] for one in found}
        return Quality(*(values[self.title(*names)] for names in METRICS.items()))

    def title(self, metric: str, value: str) -> str:
        """Return the name of a metric's value by this network."""
        return title(value, self.protocol.metrics[metric], self.extractor)


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


class Race:
    """Run both recipes of a task, and measure what they make."""

    def __init__(self, name: str, weights: str, given: Sequence[str]):
        self.task, self.given = TASKS[name], given
        self.config = CONFIGS / f'speedrun_{name}.py'
        keys = cli.parse(['', f'--config={self.config}', *given]).config.data
        self.train, self.judge = images(keys, keys.split), Judge(self.task, keys, weights)
        self.real = self.judge(self.train[: self.task.num])

    def row(self, who: str, seed: int, seconds: float, seen: int, made: np.ndarray) -> Row:
        """Return what made images uint8 [n, H, W, C] came to."""
        quality = self.judge(made)
        return Row(who, seed, seconds, seen, quality, quality.reaches(self.task, self.real))

    def ours(self, seed: int, folder: pathlib.Path) -> Row:
        """Run the recipe as a command of its own, which finds nothing compiled.

        Raises:
          UserError: the folder is there, so that it would not begin with nothing; the run failed.
        """
        if folder.exists():
            raise UserError(f'{folder} is there: a race begins with nothing; choose a --workdir')
        with tempfile.TemporaryDirectory() as empty:
            own = f'--config={self.config}', f'--workdir={folder}', f'--config.seed={seed}'
            start = time.perf_counter()
            command(*own, *self.given, JAX_COMPILATION_CACHE_DIR=empty)
            seconds = time.perf_counter() - start
        trained = gan_jax.load(folder)
        made = trained.sample(self.task.num)
        return self.row('ours', seed, seconds, int(trained.state.images), made)

    def theirs(self, seed: int, limit: float) -> Row:
        """Train PyTorch's DCGAN until its images are good enough, or for a number of seconds."""
        # only needed where it is asked for, and an extra
        import torch
        import torch_gan

        torch.manual_seed(seed)
        channels, margin = self.train.shape[-1], self.task.margin
        trainer = torch_gan.Trainer(torch_gan.CASES[self.task.case]._replace(channels=channels))
        sides = (margin, margin)
        wide = torch.from_numpy(np.pad(self.train, ((0, 0), sides, sides, (0, 0))))
        trainer.images = wide.permute(0, 3, 1, 2).contiguous(memory_format=trainer.layout)
        seconds, steps = 0.0, 0
        while True:
            seconds += trainer.call(PERIOD)
            steps += PERIOD
            made = self.inner(trainer.sample(self.task.num))
            row = self.row('PyTorch', seed, seconds, steps * trainer.case.batch, made)
            if row.reached or seconds > limit:
                return row

    def inner(self, made: Any) -> np.ndarray:
        """Return PyTorch's images [n, C, H, W] without their margin, uint8 [n, H, W, C]."""
        start, stop = self.task.margin, made.shape[-1] - self.task.margin
        inner = made[:, :, start:stop, start:stop].permute(0, 2, 3, 1)
        return to_uint8(inner.numpy(), '[-1,1]')


def main() -> None:
    """Print a row for each run, and the limits.

    Raises:
      UserError: a run failed, or the judge is none.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument('--task', default='mnist', choices=TASKS)
    parser.add_argument('--judge', required=True, help="a classifier's run, or Inception's file")
    parser.add_argument('--seeds', type=int, default=3, help='runs of each')
    parser.add_argument('--limit', type=float, default=5.0, help='of PyTorch, in times of ours')
    parser.add_argument('--workdir', default='runs/speedrun', help='folder of the runs')
    args, given = parser.parse_known_args()
    process.set_up()
    race = Race(args.task, args.judge, given)
    print(HEADER, line(Row('real', 0, 0.0, 0, race.real, True)), sep='\n', flush=True)
    for seed in range(args.seeds):
        own = race.ours(seed, pathlib.Path(args.workdir, args.task, str(seed)).resolve())
        print(line(own), flush=True)
        if args.limit:
            print(line(race.theirs(seed, args.limit * own.seconds)), flush=True)


if __name__ == '__main__':
    with reported():
        main()
