"""Measure how far a discriminator has learnt its images by heart: its logits on others.

python benchmarks/overfitting.py --workdir=runs/mine --split=test [--num=1000] [--step=1200]

Mean and quantiles of a trained discriminator's logits on the images that it was trained on, on
held-out ones of another split, and on generated ones, none of them augmented. The gap is that
between the first two means: 0 where nothing is learnt by heart (Karras et al. 2020,
arXiv:2006.06676, figure 1). --json prints the table's numbers instead.
"""

import argparse
import json
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import gan_jax
from gan_jax import data
from gan_jax.core import rng
from gan_jax.core.game import verdict
from gan_jax.core.state import apply_averaged
from gan_jax.data import pipeline
from gan_jax.data.protocol import load

# Images at once: a multiple of the groups that discriminators compare.
CHUNK = 64
QUANTILES = (0.1, 0.5, 0.9)


def real(trained: Any, split: str, num: int) -> Iterator[Any]:
    """Yield batches of the images of a split as networks see them, in order, without the rest."""
    source = data.open_split(trained.config.data, split)
    options = {**trained.config.data, 'device_cache_mb': 0, 'transforms': ''}
    batches = pipeline.make(source, options, batch_size=CHUNK, seed=0)
    for start in range(0, min(num, len(source)) - CHUNK + 1, CHUNK):
        batch = load(source, np.arange(start, start + CHUNK))
        yield batches.preprocess(None, {k: jnp.asarray(v) for k, v in batch.items()}, None)


def fake(trained: Any, num: int) -> Iterator[Any]:
    """Yield batches of generated images and their labels."""
    algorithm, make = trained.algorithm, jax.jit(trained.maker.make, static_argnums=2)
    for start in range(0, num - CHUNK + 1, CHUNK):
        key = rng.fold(rng.root(start), 'overfitting')
        label = algorithm.some_labels(key, CHUNK)
        made = make(trained.refined, key, CHUNK, {}, label)
        yield {algorithm.field: made} | ({} if label is None else {'label': label})


def logits(trained: Any, batches: Iterator[Any]) -> np.ndarray:
    """Return the discriminator's logits on all images of batches."""
    algorithm, net = trained.algorithm, trained.state.nets['d']

    @jax.jit
    def discriminate(batch):
        label = batch.get('label') if algorithm.classes else None
        return verdict(
            apply_averaged(algorithm.discriminator, net, batch[algorithm.field], label)
        ).logits

    return np.concatenate([np.asarray(discriminate(batch)) for batch in batches])


def summary(values: np.ndarray) -> dict[str, float]:
    """Return count, mean and quantiles."""
    low, middle, high = (float(x) for x in np.quantile(values, QUANTILES))
    return {'images': len(values), 'mean': float(values.mean()), '10%': low, '50%': middle} | {
        '90%': high
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--workdir', required=True, help='folder of a run')
    parser.add_argument('--split', required=True, help='split of data that was not trained on')
    parser.add_argument('--step', type=int, help='checkpoint; the newest by default')
    parser.add_argument('--num', type=int, default=1000, help='images of each kind at most')
    parser.add_argument('--json', action='store_true', help='print numbers instead of a table')
    args = parser.parse_args()
    trained = gan_jax.load(args.workdir, args.step)
    rows = {
        'training': real(trained, trained.config.data.split, args.num),
        'held-out': real(trained, args.split, args.num),
        'generated': fake(trained, args.num),
    }
    found = {name: summary(logits(trained, batches)) for name, batches in rows.items()}
    gap = found['training']['mean'] - found['held-out']['mean']
    if args.json:
        print(json.dumps(found | {'gap': gap}))
        return
    for name, row in found.items():
        print(f'{name:10}', '  '.join(f'{key} {value:.4g}' for key, value in row.items()))
    print(f'gap        {gap:.4g}')


if __name__ == '__main__':
    main()
