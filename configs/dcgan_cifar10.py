"""DCGAN on CIFAR-10 at 32x32, after the DCGAN lecture of Chaklader's GAN course.

python launch.py --config=configs/dcgan_cifar10.py

10 epochs of 391 steps, a quarter of an hour on two CPU cores. The source ends with a d_loss of 0.4
to 1.1 and a g_loss of 1.5 to 3.3; here they were 0.7 and 2.2 after 2,300 steps (docs/results.md).
"""

from gan_jax import config as configs
from gan_jax import models


def get_config():
    """Return the config."""
    config = configs.base()
    config.data.update({'name': 'tfds', 'dataset': 'cifar10', 'split': 'train'})
    config.model = models.node(
        'dcgan',
        prior='uniform',
        g={'z_dim': 100, 'widths': (128, 64, 32), 'out_bias': True},
        d={'widths': (32, 64, 128), 'out_bias': True},
    )
    config.batch_size = 128
    config.duration = '10ep'
    return config
