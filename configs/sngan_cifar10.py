"""SNGAN on CIFAR-10 (32x32), unconditional: residual networks, spectral norm, hinge loss.

python launch.py --config=configs/sngan_cifar10.py

Miyato et al. 2018 (arXiv:1802.05957) as in the authors' sn_cifar10_unconditional.yml: 250,000 steps
of the discriminator at batch 64, 50,000 of the generator at 128, whose rate falls to 0. Published:
FID 21.7 (5,000 samples); 16.8 by kwotsin/mimicry, 50,000 samples against the training set.
Seen here: after 30,000 images, 21 minutes, widths 32 on two CPU cores are ahead of dcgan_cifar10
at as many images; the rest was not run (docs/results.md).
"""

from gan_jax import config as configs
from gan_jax import models


def get_config():
    """Return the config."""
    config = configs.base()
    config.data.update({'name': 'tfds', 'dataset': 'cifar10', 'split': 'train'})
    config.model = models.node(
        'resnet',
        prior='normal',
        g={'z_dim': 128, 'width': 64, 'weight_init': 'glorot_relu'},
        d={'width': 64, 'weight_init': 'glorot_relu', 'weight_norm': 'spectral'},
    )
    config.batch_size = 64
    config.duration = '250000st'
    config.loss.update({'name': 'hinge', 'n_critic': 5, 'g_batch': 2})
    for optimiser in config.optim.values():
        optimiser.update({'name': 'adam', 'b1': 0.0, 'b2': 0.9})
        with optimiser.ignore_type():
            optimiser.lr = {'first': 2e-4, 'final': 0.0, 'stop': config.get_ref('duration')}
    config.sample.every = '1000st'
    return config
