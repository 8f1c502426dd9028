"""Conditional GAN on MNIST (28x28): the label as one more channel (1411.1784).

python launch.py --config=configs/cgan_mnist.py

Least squares loss and optimiser of eriklindernoren's cgan, on convolutions instead of an MLP.
Expected within a few epochs: column k of the grid shows digit k.
"""

from gan_jax import config as configs
from gan_jax import models


def get_config():
    """Return the config."""
    config = configs.base()
    config.data.update({'name': 'tfds', 'dataset': 'mnist', 'split': 'train'})
    config.model = models.node(
        'cgan',
        prior='normal',
        classes=10,
        g={
            'embed': 10,
            'z_dim': 100,
            'widths': (128, 128, 128),
            'strides': (2, 2, 1),
            'kernel': (4, 4, 7),
            'norm': 'none',
            'act': 'leaky_relu',
            'weight_init': 'glorot',
            'bias': True,
            'out_bias': True,
        },
        d={
            'embed': 10,
            'widths': (64, 64),
            'kernel': 3,
            'norm': 'none',
            'dropout': (0.0, 0.4),
            'bias': True,
            'out_bias': True,
        },
    )
    config.batch_size = 64
    config.duration = '200ep'
    config.loss.update({'name': 'least_squares', 'args': {'half': False}})
    config.sample.update({'every': '1ep', 'rows': 10, 'columns': 10})
    return config
