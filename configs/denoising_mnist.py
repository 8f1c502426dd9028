"""Denoising autoencoder on MNIST: digits with noise of deviation 0.5, which is to be removed.

python launch.py --config=configs/denoising_mnist.py
python launch.py --config=configs/denoising_mnist.py --config.duration=5ep

100 epochs, after the course of udacity/deep-learning, autoencoder (30,689 parameters). The
cross-entropy of the test split is `val_loss`, in nats per pixel of the digits without noise. The
picture shows digits, the same with noise, and what is made of them. The second command is for a
CPU: after five epochs, 16 minutes of one busy core, it was 0.1199 (docs/results.md); the other
epochs were not run.
"""

from configs import autoencoder_mnist
from gan_jax import models


def get_config():
    """Return the config."""
    config = autoencoder_mnist.base('autoencoder')
    config.model = models.node(
        'autoencoder',
        encoder={'widths': (32, 32, 16), 'hidden': ()},
        decoder={'widths': (16, 32, 32)},
    )
    config.noise = 0.5
    config.duration = '100ep'
    config.steps_per_call = 1
    return config
