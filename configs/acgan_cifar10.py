"""ACGAN on CIFAR-10 (32x32): D names the class, G is told it (Odena et al. 2017, arXiv:1610.09585).

python launch.py --config=configs/acgan_cifar10.py

The paper's networks (table 2): kernels of 5 in G, of 3 in D with a dropout of 0.5; Adam at 2e-4,
batch 100. Left out: the noise on D's activations. Published: an Inception score of 8.25.

175 steps, eight minutes of two CPU cores with G at half the widths, drew gray noise whose columns
began to differ (docs/results.md): nothing is promised of the rest.
"""

from gan_jax import config as configs
from gan_jax import models, terms


def get_config():
    """Return the config."""
    config = configs.base()
    config.data.update({'name': 'tfds', 'dataset': 'cifar10', 'split': 'train'})
    config.model = models.node(
        'dcgan',
        prior='normal',
        classes=10,
        g={
            'name': 'cgan.Generator',
            'z_dim': 100,
            'embed': 10,
            'widths': (384, 192, 96),
            'kernel': 5,
            'out_bias': True,
        },
        d={
            'name': 'dcgan.Discriminator',
            'widths': (16, 32, 64, 128, 256, 512),
            'strides': (2, 1, 2, 1, 2, 1),
            'kernel': 3,
            'dropout': 0.5,
            'auxiliary': 10,
            'out_bias': True,
        },
    )
    config.terms = terms.node(auxiliary_classifier={})
    config.batch_size = 100
    config.duration = '100ep'
    config.sample.update({'rows': 8, 'columns': 10})
    return config
