"""Semi-supervised GAN on SVHN (32x32) with 1,000 labels, after udacity/deep-learning.

python launch.py --config=configs/ssgan_svhn.py

Not run here: the data comes from tensorflow-datasets. The source reports a test accuracy that peaks
a little above 71 %. Its D, semi-supervised, but for the dropout on the image, and with all four
pixels of the last layer as features, where the source takes their mean; its rate falls by 0.9 an
epoch, here in a straight line. 25 epochs of 573 steps.
"""

from gan_jax import config as configs
from gan_jax import models, terms


def get_config():
    """Return the config."""
    config = configs.base()
    config.data.update({'name': 'tfds', 'dataset': 'svhn_cropped', 'split': 'train'})
    config.data.labelled = 1000
    config.model = models.node(
        'dcgan',
        prior='normal',
        g={'widths': (128, 64, 32), 'kernel': 5, 'act': 'leaky_relu', 'out_bias': True},
        d={
            'widths': (64, 64, 64, 128, 128, 128),
            'strides': (2, 2, 2, 1, 1, 1),
            'kernel': 3,
            'padding': ('SAME', 'SAME', 'SAME', 'SAME', 'SAME', 'VALID'),
            'norm': ('none', 'batch', 'batch', 'batch', 'batch', 'none'),
            'dropout': (0.5, 0.0, 0.5, 0.0, 0.0, 0.0),
            'auxiliary': 10,
            'logit_from': 'classes',
        },
    )
    config.terms = terms.node(semi_supervised={}, feature_matching={'distance': 'absolute'})
    config.loss.g_weight = 0.0
    for optimiser in config.optim.values():
        with optimiser.ignore_type():
            optimiser.lr = {'first': 3e-4, 'final': 2e-5, 'stop': config.get_ref('duration')}
    config.batch_size = 128
    config.duration = '25ep'
    config.eval.update({'split': 'test', 'every': '1ep'})
    return config
