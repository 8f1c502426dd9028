"""WGAN on CIFAR-10 (32x32): a critic with clipped weights (Arjovsky et al. 2017, arXiv:1701.07875).

python launch.py --config=configs/wgan_cifar10.py

The paper's algorithm 1: RMSprop at 5e-5, weights within 0.01, 5 steps of the critic for each of the
generator, batch 64; the networks of dcgan_cifar10. The paper gives no number for CIFAR-10.
"""

from gan_jax import config as configs
from gan_jax import models, terms
from gan_jax.core import optim


def get_config():
    """Return the config."""
    config = configs.base()
    config.data.update({'name': 'tfds', 'dataset': 'cifar10', 'split': 'train'})
    config.model = models.node(
        'dcgan',
        prior='normal',
        g={'z_dim': 100, 'widths': (128, 64, 32), 'out_bias': True},
        d={'widths': (32, 64, 128)},
    )
    config.batch_size = 64
    config.duration = '50000st'
    config.loss.update({'name': 'wasserstein', 'n_critic': 5})
    config.terms = terms.node(weight_clip={'bound': 0.01})
    rmsprop = {**optim.defaults('rmsprop'), 'lr': 5e-5, 'rho': 0.99}
    config.optim = {'g': rmsprop, 'd': dict(rmsprop)}
    config.sample.every = '1000st'
    return config
