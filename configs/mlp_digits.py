"""MLP GAN on the 1,797 handwritten digits (8x8) that scikit-learn ships: nothing to download.

python launch.py

About a minute on two CPU cores. Expected: digits of all ten classes that a person can read. The
R1 penalty (Mescheder et al. 2018, 1801.04406) and the averaged generator make so small a game
steady; without them the digits stay ragged.
"""

from gan_jax import config as configs
from gan_jax import models, terms


def get_config():
    """Return the config."""
    config = configs.base()
    config.data.name = 'digits'
    config.model = models.node(
        'mlp',
        prior='normal',
        g={'z_dim': 32, 'hidden': (256, 256)},
        d={'hidden': (256, 256)},
    )
    config.batch_size = 64
    config.duration = '400ep'
    config.terms = terms.node(r1={'weight': 1.0})
    for optimiser in config.optim.values():
        optimiser.lr = 5e-4
    config.ema.half_life = '10kimg'
    config.steps_per_call = 50
    config.log.every = '500st'
    config.sample.every = '1000st'
    config.checkpoint.every = '4000st'
    return config
