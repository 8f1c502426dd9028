"""Count modes: how many Gaussians of a ring and of a grid each kind of GAN makes, over seeds.

python benchmarks/modes.py [--only=grid,R3GAN] [--seeds=8] [--workdir=runs/modes]
    [--json=FILE] [--picture=FILE]

Data after VEEGAN (Srivastava et al. 2017, arXiv:1705.07761) and PacGAN (Lin et al. 2018,
arXiv:1712.04086, section 4.1), scaled to [-1, 1]; scores of 2,500 samples by
`gan_jax.metrics.mixture`. Every method is configs/mlp_ring.py or mlp_grid.py with the keys that
METHODS says, and its seeds are members of one run; the same command again trains only what is
missing. JAX_NUM_CPU_DEVICES=2 lets two cores share the seeds (docs/members.md).
"""

import argparse
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import gan_jax
from gan_jax import config_file, terms
from gan_jax.algorithms import members
from gan_jax.data.sources import points
from gan_jax.errors import reported, unknown
from gan_jax.files import replacing
from gan_jax.metrics.mixture import Mixture, mixture
from gan_jax.runtime import process
from gan_jax.train import train

SAMPLES = 2500
TASKS = {'ring': 'configs/mlp_ring.py', 'grid': 'configs/mlp_grid.py'}
# The configs' rate and batches were looked for with R3GAN. With its rate LSGAN loses modes, as GAN
# does with FAST; with larger batches LSGAN loses some, too.
SLOW = {'optim.g.lr.first': 1e-3, 'optim.d.lr.first': 1e-3, 'batch_size': 256}
FAST = {'optim.g.lr.first': 3e-3, 'optim.d.lr.first': 3e-3, 'batch_size': 256}
METHODS: dict[str, dict[str, Any]] = {
    'GAN': {**SLOW, 'loss.name': 'nonsaturating', 'terms': {}},
    'LSGAN': {**FAST, 'loss.name': 'least_squares', 'terms': {}},
    'WGAN-GP': {
        **SLOW,
        'loss.name': 'wasserstein',
        'loss.n_critic': 5,
        'terms': {'gradient_penalty': {'weight': 0.1}},
    },
    'SNGAN': {**SLOW, 'loss.name': 'hinge', 'model.d.weight_norm': 'spectral', 'terms': {}},
    'PacGAN2': {**SLOW, 'loss.name': 'nonsaturating', 'terms': {'packing': {'size': 2}}},
    # that of the configs: relativistic, R1 and R2
    'R3GAN': {},
}
# Modes, share of high quality, reverse KL: table 1 of PacGAN, with standard errors of 10 trials.
PUBLISHED = {
    ('ring', 'GAN'): '6.3 +- 0.5, 98.2 +- 0.2 %, 0.45 +- 0.09',
    ('ring', 'PacGAN2'): '7.9 +- 0.1, 95.6 +- 2.0 %, 0.07 +- 0.03',
    ('grid', 'GAN'): '17.3 +- 0.8, 94.8 +- 0.7 %, 0.70 +- 0.07',
    ('grid', 'PacGAN2'): '23.8 +- 0.7, 91.3 +- 0.8 %, 0.13 +- 0.04',
}
TITLES = ('data', 'method', 'modes', 'high quality, %', 'reverse KL', 'published')
HEAD = f'| {" | ".join(TITLES)} |\n' + '|---' * len(TITLES) + '|'

Scores = dict[tuple[str, str], list[Mixture]]


def configured(task: str, method: str, seeds: int) -> Any:
    """Return the config of a run whose members are so many seeds."""
    config = config_file.load(pathlib.Path(TASKS[task]))
    changes = dict(METHODS[method])
    if 'terms' in changes:
        config.terms = terms.node(**changes.pop('terms'))
    with config.unlocked(), config.ignore_type():
        config.update_from_flattened_dict({**changes, 'seeds': seeds})
    return config


def source(config: Any) -> points.Source:
    """Return the points that a config trains on."""
    return points.Source(**{key: config.data[key] for key in points.KEYS})


def score(config: Any, samples: np.ndarray) -> Mixture:
    """Return modes, quality and reverse KL of samples [n, 2]."""
    return mixture(samples, source(config).centres, config.data.deviation)


def drawn(config: Any, seed: int) -> np.ndarray:
    """Return SAMPLES points of the data itself, which is the best that a model can do."""
    real = source(config).points
    return real[np.random.default_rng(seed).integers(0, len(real), SAMPLES)]


def made(config: Any, folder: pathlib.Path) -> list[np.ndarray]:
    """Return SAMPLES points of each member of a run, which is trained where the folder has none."""
    train(config, folder)
    samples = [gan_jax.load(folder, member=i).sample(SAMPLES) for i in range(config.seeds)]
    jax.clear_caches()  # of the programs of this run, which no other one uses
    return samples


def among(only: str) -> list[tuple[str, str]]:
    """Return the tasks and methods that --only names, 'grid', 'R3GAN' or both; all for ''.

    Raises:
      UserError: names what there is not.
    """
    names = set(filter(None, only.split(',')))
    for name in names - {*TASKS, *METHODS}:
        raise unknown('name in --only', name, [*TASKS, *METHODS])
    tasks, methods = names & {*TASKS} or TASKS, names & {*METHODS} or METHODS
    return [
        (task, method) for task in TASKS if task in tasks for method in METHODS if method in methods
    ]


def spread(values: Sequence[float], form: str) -> str:
    """Return mean +- standard error, or the mean alone of one value."""
    mean, error = members.spread(values)
    return format(mean, form) + (f' +- {error:{form}}' if len(values) > 1 else '')


def line(task: str, method: str, found: Sequence[Mixture]) -> str:
    """Return a row of the table."""
    modes = spread([m.modes for m in found], '.1f')
    quality = spread([100 * m.high_quality for m in found], '.1f')
    kl = spread([m.reverse_kl for m in found], '.3f')
    published = PUBLISHED.get((task, method), '')
    return f'| {task} | {method} | {modes} | {quality} | {kl} | {published} |'


def scatter(axis: Axes, config: Any, samples: np.ndarray, title: str) -> None:
    """Draw samples over the density of the data."""
    side = np.linspace(-1.25, 1.25, 300)
    where = np.stack(np.meshgrid(side, side), axis=-1)
    # twice as wide as it is, to be seen around the dots
    wide = 2 * config.data.deviation
    apart = where[..., None, :] - source(config).centres
    density = np.exp(-(apart**2).sum(axis=-1) / (2 * wide**2)).sum(axis=-1)
    axis.imshow(density, extent=(-1.25, 1.25) * 2, origin='lower', cmap='Blues', vmax=1.5)
    axis.plot(*np.clip(samples, -1.24, 1.24).T, '.', color='tab:red', markersize=1, alpha=0.5)
    axis.set(title=title, xticks=[], yticks=[])


def draw(samples: Mapping[tuple[str, str], np.ndarray], out: str) -> None:
    """Write a picture of the samples of every task and method."""
    tasks, methods = (list(dict.fromkeys(key[i] for key in samples)) for i in (0, 1))
    size = (2.2 * len(methods), 2.4 * len(tasks))
    figure = Figure(figsize=size, layout='constrained')
    axes = figure.subplots(len(tasks), len(methods), squeeze=False)
    for (task, method), some in samples.items():
        axis = axes[tasks.index(task), methods.index(method)]
        scatter(axis, configured(task, method, 1), some, f'{task}, {method}')
    with replacing(out) as temporary:
        figure.savefig(temporary, dpi=80, format='png')


def main() -> None:
    """Train what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', default='', help='tasks and methods, with commas; all by default')
    parser.add_argument('--seeds', type=int, default=8, help='members of each run')
    parser.add_argument('--workdir', default='runs/modes', help='folder of the runs')
    parser.add_argument('--json', help='file for the scores of every seed')
    parser.add_argument('--picture', help='file for the samples of the first seed')
    args = parser.parse_args()
    process.set_up()
    scores: Scores = {}
    first = {}
    for task, method in among(args.only):
        config = configured(task, method, args.seeds)
        real = [score(config, drawn(config, seed)) for seed in range(args.seeds)]
        scores.setdefault((task, 'real points'), real)
        samples = made(config, pathlib.Path(args.workdir, task, method))
        scores[task, method] = [score(config, found) for found in samples]
        first[task, method] = samples[0]
    print('\n'.join([HEAD, *(line(*key, found) for key, found in scores.items())]))
    if args.json:
        rows = [
            {'task': t, 'method': m, 'seeds': [s._asdict() for s in f]}
            for (t, m), f in scores.items()
        ]
        pathlib.Path(args.json).write_text(json.dumps(rows, indent=1))
    if args.picture:
        draw(first, args.picture)


if __name__ == '__main__':
    with reported():
        main()
