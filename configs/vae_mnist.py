"""Variational autoencoder on MNIST with a latent of two numbers (arXiv:1312.6114).

python launch.py --config=configs/vae_mnist.py --workdir=runs/vae_mnist
python launch.py --mode=latents --workdir=runs/vae_mnist --split=test

5 epochs of 600 steps, after a demonstration by llSourcell, how_to_generate_images (404,244
parameters), which reached 161.2 nats on the test split with RMSprop: `val_loss`, minus the lower
bound of the evidence by one draw, is to be compared with that. The second command draws the test
digits in the plane of their latents, and what is made of a lattice there.

Measured: 158.9 +- 0.4 nats over three seeds (docs/results.md).
"""

from configs import autoencoder_mnist
from gan_jax import models


def get_config():
    """Return the config."""
    rate = {'first': 2e-3, 'final': 2e-4, 'start': '0img', 'stop': '5ep', 'shape': 'cosine'}
    config = autoencoder_mnist.base('vae', lr=rate)
    config.model = models.node(
        'vae', encoder={'hidden': (256,), 'z_dim': 2}, decoder={'hidden': (256,)}
    )
    config.batch_size = 100
    config.duration = '5ep'
    return config
