"""Show the training images that are nearest to what a run's generator makes."""

import pathlib
from typing import Any

import numpy as np

from gan_jax import pictures
from gan_jax.core import keys
from gan_jax.core.assignments import assignments
from gan_jax.metrics import features as networks
from gan_jax.training import inference, neighbours

OF_A_RUN = True
FLAGS = {
    'num': keys.count(8, 'Number of samples.', high=10_000),
    'nearest': keys.count(4, 'Training images to show of each sample.', high=1000),
    'features': keys.text('', 'Network whose features are compared too, as vgg16 or classifier.'),
    'weights': keys.path('', "The network's file, or a classifier's run."),
    **inference.FLAGS,
    'out': keys.path('', 'Folder to write to; WORKDIR/neighbours by default.'),
}


def run(config: Any, workdir: pathlib.Path, flags: Any) -> None:
    """Write neighbours.png, and print how near they are.

    A row has a sample, its neighbours by pixels, and by features where a network is named.

    Raises:
      UserError: no such run, checkpoint, class, option or network, or not that many images.
    """
    options = assignments(flags.options, '--options')
    trained = inference.load(workdir, flags.step, flags.maker, flags.member)
    images = neighbours.training_images(trained)
    spaces: dict[str, neighbours.Embed] = {'pixels': neighbours.pixels}
    if flags.features:
        found = networks.make(flags.features, 'legacy', flags.weights, inference.load)
        spaces[found.name] = neighbours.features(found)
    samples = trained.sample(flags.num, flags.seed, flags.label, **options)
    columns = [samples[:, None]]
    for name, embed in spaces.items():
        near = neighbours.nearest(samples, images, embed, flags.nearest, flags.seed)
        tell(name, near, images)
        (batch,) = images.batches(near.indices.ravel(), near.indices.size)
        columns.append(batch.images.reshape(*near.indices.shape, *samples.shape[1:]))
    out = pathlib.Path(flags.out or workdir / 'neighbours')
    picture = trained.kind.picture(np.concatenate(columns, axis=1), trained.field)
    pictures.save_png(out / 'neighbours.png', picture)
    print(f'neighbours.png of step {trained.step} in {out}')


def tell(name: str, near: neighbours.Neighbours, images: Any) -> None:
    """Print the nearest image of each sample, and how near training images are to each other."""
    for i, (index, distance) in enumerate(zip(near.indices, near.distances, strict=True)):
        print(f'{i}: {distance[0]:.4f} by {name} from {images.image_name(int(index[0]))}')
    print(
        f'by {name}: samples {np.median(near.distances[:, 0]):.4f} from the nearest training '
        f'image, training images {near.usual:.4f} from the nearest other one (medians)'
    )
