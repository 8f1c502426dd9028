"""Conditional GAN on MNIST (28x28): the label as one more channel (1411.1784).

python launch.py --config=configs/cgan_mnist.py

Least squares loss and optimiser of eriklindernoren's cgan, on convolutions instead of an MLP.
Expected within a few epochs: column k of the grid shows digit k.
"""

from configs import dcgan_mnist
from gan_jax import models


def get_config():
    """Return the config."""
    config = dcgan_mnist.get_config()
    config.data.range = '[-1,1]'
    config.model = models.node(
        'cgan',
        prior='normal',
        classes=10,
        g={**config.model.g, 'embed': 10, 'out_act': 'tanh'},
        d={**config.model.d, 'embed': 10},
    )
    config.batch_size = 64
    config.duration = '200ep'
    config.loss.update({'name': 'least_squares', 'args': {'half': False}})
    config.sample.update({'rows': 10, 'columns': 10})
    return config
