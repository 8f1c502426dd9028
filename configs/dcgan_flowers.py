"""Convolutional GAN without batch norm on the Oxford 102 flowers (80x80), after FlowersGAN.

python launch.py --config=configs/dcgan_flowers.py

500 epochs of 32 steps, for a GPU: 13.8 GFLOP an image, five days of two CPU cores. The source shows
colourful blooms on a background; not run here (docs/results.md). It updates the discriminator twice
a step, on 256 real and on 128 fake images; here it is one update on 256 of each.
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
        'dcgan',
        prior='normal',
        g={
            'z_dim': 100,
            'widths': (128, 128, 128, 128, 128),
            'strides': (2, 2, 2, 2, 1),
            'kernel': 5,
            'norm': 'none',
            'act': 'leaky_relu',
            'weight_init': 'glorot',
            'bias': True,
            'out_bias': True,
        },
        d={
            'widths': (40, 128, 128, 128, 128),
            'strides': (1, 2, 2, 2, 2),
            'kernel': 5,
            'norm': 'none',
            'dropout': (0.0, 0.0, 0.0, 0.0, 0.4),
            'bias': True,
            'out_bias': True,
        },
    )
    config.batch_size = 256
    config.duration = '500ep'
    config.sample.update({'every': '10ep', 'rows': 4, 'columns': 4})
    config.checkpoint.every = '10ep'
    return config
