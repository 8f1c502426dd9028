"""Conditional GAN on MNIST (28x28): both networks are told the digit (arXiv:1411.1784).

python launch.py --config=configs/cgan_mnist.py

12 epochs of 938 steps, about 15 minutes on two CPU cores. Column k of the grid shows digit k from
the third epoch on. docs/results.md has the label accuracy by `classifier_mnist`, and the grid.
"""

from gan_jax import config as configs
from gan_jax import models


def get_config():
    """Return the config."""
    config = configs.base()
    config.data.update({'name': 'tfds', 'dataset': 'mnist', 'split': 'train', 'range': '[0,1]'})
    config.model = models.node(
        'cgan',
        prior='normal',
        classes=10,
        g={'z_dim': 64, 'widths': (128, 64), 'embed': 10, 'out_act': 'sigmoid', 'out_bias': True},
        d={'widths': (64, 128), 'embed': 10},
    )
    config.batch_size = 64
    config.duration = '12ep'
    config.ema.half_life = '10kimg'
    config.sample.update({'rows': 10, 'columns': 10})
    return config
