"""StyleGAN2 with ADA on CIFAR-10 (32x32), with its classes (Karras et al. 2020, arXiv:2006.06676).

python launch.py --config=configs/stylegan2_cifar10.py

The published settings for this set: a plain discriminator, R1 of weight 0.01, no path length and no
style mixing; 100 million images. Published: FID 2.42, 50,000 samples against the training set.
Without classes: --config.model.classes=0. R1 has updates of its own, one beside every 16th of the
discriminator, for which its optimiser is corrected. Samples closer to the mean: --mode=sample
--options=psi=0.7.

Not run yet (docs/results.md).
"""

from gan_jax import config as configs
from gan_jax import models, terms


def get_config():
    """Return the config."""
    config = base(classes=10, g={'layers': 2, 'mixing': 0.0}, d={})
    config.model.d.update({'architecture': 'plain', 'stddev_group': 32})
    config.data.update({'name': 'tfds', 'dataset': 'cifar10', 'split': 'train'})
    config.batch_size = 64
    config.duration = '100000kimg'
    config.terms = terms.node(r1={'weight': 0.01, 'every': 16}, ada={'target': 0.6})
    config.ema.update({'half_life': '500kimg', 'ramp': 0.05})
    return config


def base(classes, g, d):
    """Return what StyleGAN2's configs have in common."""
    config = configs.base()
    config.model = models.node('stylegan2', prior='normal', classes=classes, g=g, d=d)
    config.loss.update({'name': 'nonsaturating', 'lazy_updates': True})
    for optimiser in config.optim.values():
        optimiser.update({'name': 'adam', 'lr': 2.5e-3, 'b1': 0.0, 'b2': 0.99})
    config.sample.every = '1000st'
    return config
