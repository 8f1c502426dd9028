"""Adversarial autoencoder on MNIST with a latent of two numbers (arXiv:1511.05644).

python launch.py --config=configs/aae_mnist.py --workdir=runs/aae_mnist
python launch.py --mode=latents --workdir=runs/aae_mnist --split=test

A discriminator of latents holds them to a normal distribution. `val_reconstruction` is the
cross-entropy of the test split, in nats per pixel.

Six minutes of one CPU core ended at 0.187, with the digits in regions of a plane of normal
latents (docs/results.md).
"""

from configs import autoencoder_mnist
from gan_jax import models


def get_config():
    """Return the config."""
    config = autoencoder_mnist.base('aae', b1=0.5)
    config.model = models.node(
        'aae',
        prior='normal',
        encoder={'hidden': (256,), 'z_dim': 2},
        decoder={'hidden': (256,)},
        d_z={'hidden': (256, 256)},
    )
    config.batch_size = 100
    config.checkpoint.best = 'val_reconstruction'
    return config
