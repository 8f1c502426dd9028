"""Two-layer MLP GAN on MNIST (28x28), after the course of udacity/deep-learning, gan_mnist.

python launch.py --config=configs/mlp_mnist.py

100 epochs of 600 steps, two minutes on two CPU cores. 1, 3, 7 and 9 are easy to read, other digits
less so, with specks (docs/results.md).
"""

from gan_jax import config as configs
from gan_jax import models


def get_config():
    """Return the config."""
    config = configs.base()
    config.data.update({'name': 'tfds', 'dataset': 'mnist', 'split': 'train'})
    config.model = models.node(
        'mlp',
        prior='uniform',
        g={'z_dim': 100, 'hidden': (128,), 'slope': 0.01},
        d={'hidden': (128,), 'slope': 0.01},
    )
    config.batch_size = 100
    config.duration = '100ep'
    config.loss.update({'real': (0.9, 0.9), 'reuse_z': True})
    for optimiser in config.optim.values():
        optimiser.update({'lr': 2e-3, 'b1': 0.9})
    config.steps_per_call = 50
    config.sample.update({'every': '1ep', 'rows': 4, 'columns': 4})
    config.checkpoint.every = '5ep'
    return config
