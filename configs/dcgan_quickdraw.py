"""Convolutional GAN on one category of Quick, Draw! (28x28 bitmaps).

python launch.py --config=configs/dcgan_quickdraw.py --config.data.path=apple.npy

The file is a numpy bitmap of Quick, Draw!, one category each. 2,000 steps. Expected: closed apple
outlines with a stem, which the first 400 steps already showed (docs/results.md; a step takes a CPU
second). RMSprop, as in the source, can fail to start (the discriminator stays at chance):
--config.optim.d.name=adam --config.optim.d.b1=0.9.
"""

from gan_jax import config as configs
from gan_jax import models


def get_config():
    """Return the config."""
    config = configs.base()
    config.data.update({'name': 'array', 'path': 'apple.npy', 'range': '[0,1]'})
    config.model = models.node(
        'dcgan',
        prior='uniform',
        g={
            'z_dim': 32,
            'widths': (64, 32, 16, 8),
            'strides': (2, 2, 1, 1),
            'kernel': 5,
            'up': 'nearest_conv',
            'norm_stem': 'features',
            'norm_eps': 1e-3,
            'dropout': (0.4, 0.0, 0.0, 0.0),
            'out_act': 'sigmoid',
            'weight_init': 'glorot',
            'bias': True,
            'out_bias': True,
        },
        d={
            'widths': (64, 128, 256, 512),
            'strides': (2, 2, 2, 1),
            'kernel': 5,
            'norm': 'none',
            'act': 'relu',
            'dropout': 0.4,
            'weight_init': 'glorot',
            'bias': True,
            'out_bias': True,
        },
    )
    config.batch_size = 128
    config.duration = '2000st'
    config.loss.batching = 'one_batch'
    config.optim.d.update({'name': 'rmsprop', 'lr': 8e-4, 'eps': 1e-7, 'clip': 1.0, 'decay': 6e-8})
    config.optim.g.update({'name': 'rmsprop', 'lr': 4e-4, 'eps': 1e-7, 'clip': 1.0, 'decay': 3e-8})
    config.log.every = '50st'
    config.sample.update({'every': '100st', 'rows': 4, 'columns': 4})
    config.checkpoint.every = '500st'
    return config
