"""InfoGAN on MNIST (28x28): a code of ten categories and two numbers (arXiv:1606.03657).

python launch.py --config=configs/infogan_mnist.py

Chen et al. 2016, section C.1, with 62 numbers of noise, networks of half the widths without fully
connected layers within, whose Q is a linear layer, and Adam at 2e-4 for both: with the paper's
layers, and 1e-3 for G, it drew black images (docs/results.md). Column k of the grid has category k,
each row one noise and two numbers. The paper reports an error of 5 % where categories are matched
to digits. After 210,000 images of 1.2 million, nine minutes of two busy cores, most rows were
digits that can be read, and columns began to be digits; the rest was not run.
"""

from gan_jax import config as configs
from gan_jax import models, terms


def get_config():
    """Return the config."""
    config = configs.base()
    config.data.update({'name': 'tfds', 'dataset': 'mnist', 'split': 'train', 'range': '[0,1]'})
    config.model = models.node(
        'dcgan',
        prior='normal',
        g={'z_dim': 62, 'widths': (64, 32), 'out_act': 'sigmoid', 'out_bias': True},
        d={'widths': (32, 64), 'code': 12, 'out_bias': True},
    )
    config.terms = terms.node(mutual_information={'categories': (10,), 'continuous': 2})
    config.batch_size = 100
    config.duration = '20ep'
    config.sample.update({'every': '1ep', 'rows': 10, 'columns': 10})
    return config
