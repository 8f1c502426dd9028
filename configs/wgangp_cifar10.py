"""WGAN-GP on CIFAR-10 (32x32), unconditional: residual networks and a gradient penalty.

python launch.py --config=configs/wgangp_cifar10.py

Gulrajani et al. 2017 (arXiv:1704.00028) as in the authors' gan_cifar_resnet.py without labels:
500,000 steps of the critic at batch 64, 100,000 of the generator at 128, whose rate falls to 0.
Published: FID 22.3 by kwotsin/mimicry, 50,000 samples against the training set.
Seen here: after 15,000 images, 12 minutes, widths 16 and 32 on two CPU cores are ahead of
dcgan_cifar10 at as many images; the rest was not run (docs/results.md).
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
        g={'z_dim': 128, 'width': 32, 'weight_init': 'glorot_relu'},
        d={'width': 64, 'weight_init': 'glorot_relu', 'pooling': 'mean'},
    )
    config.batch_size = 64
    config.duration = '500000st'
    config.loss.update({'name': 'wasserstein', 'n_critic': 5, 'g_batch': 2})
    config.terms = {'gradient_penalty': {'weight': 10.0}}
    for optimiser in config.optim.values():
        optimiser.update({'name': 'adam', 'b1': 0.0, 'b2': 0.9})
        with optimiser.ignore_type():
            optimiser.lr = {'first': 2e-4, 'final': 0.0, 'stop': config.get_ref('duration')}
    config.sample.every = '1000st'
    return config
