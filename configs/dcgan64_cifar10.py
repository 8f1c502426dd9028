"""DCGAN on CIFAR-10 enlarged to 64x64 (Radford et al. 2016, 1511.06434).

python launch.py --config=configs/dcgan64_cifar10.py

25 epochs of 782 steps; the generator learns on the fakes that the discriminator has just seen.
"""

from gan_jax import config as configs
from gan_jax import models


def get_config():
    """Return the config."""
    config = configs.base()
    config.data.update({'name': 'tfds', 'dataset': 'cifar10', 'split': 'train', 'size': '64'})
    config.data.resize = 'bilinear'
    config.model = models.node('dcgan', prior='normal', g={}, d={})
    config.batch_size = 64
    config.duration = '25ep'
    config.loss.reuse_z = True
    config.sample.every = '500st'
    return config
