"""Autoencoder on scikit-learn's digits (8x8): no discriminator, the same loop.

python launch.py --config=configs/autoencoder_digits.py

Half a minute. The grid shows images above what comes back through a code of 8 numbers.
"""

from gan_jax import config as configs
from gan_jax import models
from gan_jax.core import optim


def get_config():
    """Return the config."""
    config = configs.base()
    config.algorithm = 'autoencoder'
    config.data.update({'name': 'digits', 'range': '[0,1]'})
    config.model = models.node(
        'autoencoder', encoder={'hidden': (64, 8)}, decoder={'hidden': (64,)}
    )
    config.optim = {
        part: {**optim.defaults(), 'lr': 1e-3, 'b1': 0.9} for part in ('encoder', 'decoder')
    }
    config.batch_size = 64
    config.duration = '200ep'
    config.steps_per_call = 50
    config.log.every = '500st'
    config.sample.update({'every': '20ep', 'columns': 10})
    config.checkpoint.every = '50ep'
    return config
