"""A GAN learns: the default algorithm, trained by the loop, on images whose modes are known."""

import jax
import numpy as np

from gan_jax import config as configs
from gan_jax import models
from gan_jax.core import rng
from gan_jax.data import Spec, image_spec
from gan_jax.train import train
from gan_jax.training.run import open_run

SIDE = 8


def modes():
    """Return four images [4, 8, 8, 1] in [-1, 1], each with one bright quadrant."""
    images = np.full((4, SIDE, SIDE, 1), -0.8, np.float32)
    for i in range(4):
        row, column = divmod(i, 2)
        images[i, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = 0.8
    return images


class Quadrants:
    """Offer the four images by turns, with some noise."""

    spec: Spec = image_spec((SIDE, SIDE, 1))

    def __len__(self):
        return 2048

    def batch(self, indices):
        indices = np.asarray(indices)
        noise = np.stack([np.random.default_rng(i).normal(0, 0.05, (SIDE, SIDE, 1))
                          for i in indices])  # fmt: skip
        images = modes()[indices % 4] + noise
        return {'image': np.round((images + 1) * 127.5).clip(0, 255).astype(np.uint8)}

    def __getitem__(self, index):
        return {'image': self.batch([index])['image'][0]}


def config():
    """Return a config that trains in seconds."""
    found = configs.base()
    found.model = models.node(
        'mlp', prior='normal', g={'z_dim': 8, 'hidden': (64, 64)}, d={'hidden': (64, 64)}
    )
    found.batch_size, found.devices, found.duration, found.steps_per_call = 64, 1, '1500st', 50
    found.optim.d.lr, found.optim.g.lr = 1e-3, 1e-3
    found.terms = {'r1': {'weight': 1.0}}
    found.ema.half_life = '2kimg'
    found.log.every, found.sample.every, found.checkpoint.every = '500st', '0st', '0st'
    return found


def quality(config, state):
    """Return how near images are to their modes, and the smallest share of a mode.

    The first is the mean over 512 images of the root mean square difference to the nearest mode.
    """
    algorithm = open_run(config, Quadrants()).algorithm
    made = np.asarray(algorithm.make(state, rng.root(1), 512))
    distances = np.sqrt(np.square(made[:, None] - modes()[None]).mean((2, 3, 4)))
    share = np.bincount(distances.argmin(1), minlength=4) / len(made)
    return float(distances.min(1).mean()), float(share.min())


def test_a_gan_learns_all_modes(tmp_path):
    """Near modes, and none of them missing.

    Four seeds came to 0.21 to 0.26 and a share of 0.21 or more. Untrained it is 0.80 and 0.00;
    with a discriminator that does not learn 1.08 and 0.00, with such a generator 0.80 and 0.04.
    """
    chosen = config()
    untrained = open_run(chosen, Quadrants()).algorithm.init(rng.root(0))
    distance, share = quality(chosen, untrained)
    assert distance > 0.7 and share < 0.1
    distance, share = quality(chosen, jax.device_get(train(chosen, tmp_path, Quadrants())))
    assert distance < 0.4 and share > 0.1
