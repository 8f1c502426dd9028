"""The classifier of ssgan_mnist on its 100 labels alone, for comparison.

python launch.py --config=configs/fewlabels_mnist.py

The same layers, noise, rate and number of steps, without a generator and without the other images.
A CPU core: a minute; 76.7 to 76.8 % of the test set in three draws, 76.2 +- 0.3 % over three seeds.
"""

from configs import ssgan_mnist
from gan_jax import config as configs
from gan_jax import models


def get_config():
    """Return the config."""
    game = ssgan_mnist.get_config()
    config = configs.base('classifier')
    config.data = game.data
    config.data.unlabelled = False
    d = game.model.d
    layers = {key: d[key] for key in ('hidden', 'act', 'noise', 'weight_norm')}
    config.model = models.node('mlp', classes=10, classifier=layers)
    config.optim.classifier = game.optim.d
    rate = {'first': 3e-3, 'final': 0.0, 'start': '6000st', 'stop': '12000st'}
    with config.optim.classifier.ignore_type():
        config.optim.classifier.lr = rate
    config.batch_size = 100
    config.duration = '12000st'
    config.steps_per_call = 50
    config.sample.every = '3000st'
    config.checkpoint.every = '3000st'
    config.eval.update({'split': 'test', 'every': '3000st'})
    return config
