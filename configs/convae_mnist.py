"""Convolutional autoencoder on MNIST: 28x28 pixels, 4x4 of 8 channels, and back.

python launch.py --config=configs/convae_mnist.py

20 epochs, after the course of udacity/deep-learning, autoencoder (4,385 parameters). The
cross-entropy of the test split is `val_loss`, in nats per pixel.

Eleven epochs, twelve minutes of one CPU core, ended at 0.105 (docs/results.md).
"""

from configs import autoencoder_mnist
from gan_jax import models


def get_config():
    """Return the config."""
    config = autoencoder_mnist.base('autoencoder')
    config.model = models.node(
        'autoencoder',
        encoder={'widths': (16, 8, 8), 'hidden': ()},
        decoder={'widths': (8, 8, 16)},
    )
    config.steps_per_call = 1
    return config
