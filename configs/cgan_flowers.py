"""Conditional GAN on the 102 classes of Oxford flowers (80x80).

python launch.py --config=configs/cgan_flowers.py

The label is one more channel. Up to 12,000 epochs of 64 steps in the source, 1,000 here; rows of
the grid share a code, columns a class.
"""

from gan_jax import config as configs
from gan_jax import models


def get_config():
    """Return the config."""
    config = configs.base()
    split = 'train+validation+test'
    config.data.update({'name': 'tfds', 'dataset': 'oxford_flowers102', 'split': split})
    config.data.update({'size': '80', 'crop': 'none'})
    config.model = models.node(
        'cgan',
        prior='normal',
        classes=102,
        g={
            'embed': 50,
            'z_dim': 100,
            'widths': (128, 128, 128, 128, 128),
            'strides': (2, 2, 2, 2, 1),
            'kernel': (4, 4, 4, 4, 5),
            'norm': 'none',
            'act': 'leaky_relu',
            'weight_init': 'glorot',
            'bias': True,
            'out_bias': True,
        },
        d={
            'embed': 400,
            'widths': (40, 128, 128, 128, 128),
            'strides': (1, 2, 2, 2, 2),
            'kernel': 5,
            'norm': 'none',
            'dropout': (0.0, 0.0, 0.0, 0.0, 0.4),
            'bias': True,
            'out_bias': True,
        },
    )
    config.batch_size = 128
    config.duration = '1000ep'
    config.sample.update({'every': '10ep', 'rows': 5, 'columns': 20})
    config.checkpoint.every = '10ep'
    return config
