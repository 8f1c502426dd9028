"""DCGAN on SVHN (32x32), after the course of udacity/deep-learning, dcgan-svhn.

python launch.py --config=configs/dcgan_svhn.py

Not run here: the data comes from tensorflow-datasets. 25 epochs of 573 steps.
"""

from gan_jax import config as configs
from gan_jax import models

KERAS = {'weight_init': 'glorot', 'norm_momentum': 0.99, 'norm_eps': 1e-3, 'bias': True}


def get_config():
    """Return the config."""
    config = configs.base()
    config.data.update({'name': 'tfds', 'dataset': 'svhn_cropped', 'split': 'train'})
    common = {**KERAS, 'out_bias': True, 'kernel': 5}
    config.model = models.node(
        'dcgan',
        prior='uniform',
        g={**common, 'widths': (512, 256, 128), 'act': 'leaky_relu'},
        d={**common, 'widths': (64, 128, 256)},
    )
    config.batch_size = 128
    config.duration = '25ep'
    config.sample.update({'every': '100st', 'rows': 6, 'columns': 12})
    return config
