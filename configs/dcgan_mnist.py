"""Convolutional GAN without batch norm on MNIST (28x28), after mohmiim's generate_numbers.

python launch.py --config=configs/dcgan_mnist.py

50 epochs of 235 steps, about four hours of two CPU cores. The source shows digits that can all be
read; the first four epochs here showed coarse strokes (docs/results.md). The source updates the
discriminator twice a step, on 256 real and on 128 fake images; here it is one update on 256 of
each.
"""

from gan_jax import config as configs
from gan_jax import models


def get_config():
    """Return the config."""
    config = configs.base()
    config.data.update({'name': 'tfds', 'dataset': 'mnist', 'split': 'train', 'range': '[0,1]'})
    config.model = models.node(
        'dcgan',
        prior='normal',
        g={
            'z_dim': 100,
            'widths': (128, 128, 128),
            'strides': (2, 2, 1),
            'kernel': (4, 4, 7),
            'norm': 'none',
            'act': 'leaky_relu',
            'out_act': 'sigmoid',
            'weight_init': 'glorot',
            'bias': True,
            'out_bias': True,
        },
        d={
            'widths': (64, 64),
            'kernel': 3,
            'norm': 'none',
            'dropout': (0.0, 0.4),
            'bias': True,
            'out_bias': True,
        },
    )
    config.batch_size = 256
    config.duration = '50ep'
    config.sample.update({'every': '1ep', 'rows': 4, 'columns': 4})
    return config
