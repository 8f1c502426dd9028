"""Conditional GAN on the 102 classes of Oxford flowers (80x80).

python launch.py --config=configs/cgan_flowers.py

The generator reads a vector of the label beside z, the discriminator one more channel. 1,000
epochs of 64 steps, for a GPU: 11.6 GFLOP an image, nine days of two CPU cores. Not run here beyond
75 steps (docs/results.md). Rows of the grid share a latent, columns a class.
"""

from configs import dcgan_flowers
from gan_jax import models


def get_config():
    """Return the config."""
    config = dcgan_flowers.get_config()
    config.model = models.node(
        'cgan',
        prior='normal',
        classes=102,
        g={**config.model.g, 'embed': 50, 'kernel': (4, 4, 4, 4, 5)},
        d={**config.model.d, 'embed': 400},
    )
    config.batch_size = 128
    config.duration = '1000ep'
    config.sample.update({'rows': 5, 'columns': 20})
    return config
