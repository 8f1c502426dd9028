"""Autoencoder on MNIST: 784 pixels, a code of 32 numbers, and back.

python launch.py --config=configs/autoencoder_mnist.py

20 epochs of 300 steps, after the course of udacity/deep-learning, autoencoder (50,992 parameters).
The cross-entropy of the test split is `val_loss`, in nats per pixel; the best checkpoint by it is
kept. The picture shows digits above what comes back. A minute of two CPU cores ended at 0.092
(docs/results.md).
"""

from gan_jax import config as configs
from gan_jax import models
from gan_jax.core import optim

MNIST = {'name': 'tfds', 'dataset': 'mnist', 'split': 'train'}


def get_config():
    """Return the config."""
    config = base('autoencoder')
    config.model = models.node('autoencoder', encoder={'hidden': (32,)}, decoder={})
    return config


def base(algorithm, data=MNIST, lr=1e-3, b1=0.9):
    """Return what the autoencoders have in common."""
    config = configs.base(algorithm)
    config.data.update({**data, 'range': '[0,1]'})
    config.optim = {part: {**optim.defaults(), 'lr': lr, 'b1': b1} for part in config.optim}
    config.batch_size = 200
    config.duration = '20ep'
    config.steps_per_call = 50
    config.sample.update({'every': '1ep', 'columns': 10})
    config.eval.update({'split': 'test', 'every': '1ep', 'batch_size': 1000})
    config.checkpoint.best = 'val_loss'
    return config
