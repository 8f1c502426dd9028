"""Four-layer MLP GAN with dropout on MNIST (28x28).

After the exercise of udacity/deep-learning-v2-pytorch.

python launch.py --config=configs/mlp3_mnist.py

100 epochs of 938 steps, two minutes on two CPU cores: digits with specks (docs/results.md). At the
end d_loss was 1.27 and g_loss 1.09; the source has 1.32 to 1.38 and 0.97 to 1.12.
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
        g={'z_dim': 100, 'hidden': (32, 64, 128), 'dropout': 0.3, 'weight_init': 'torch'},
        d={'hidden': (128, 64, 32), 'dropout': 0.3, 'weight_init': 'torch'},
    )
    config.batch_size = 64
    config.duration = '100ep'
    config.loss.real = (0.9, 0.9)
    for optimiser in config.optim.values():
        optimiser.update({'lr': 2e-3, 'b1': 0.9})
    config.steps_per_call = 50
    config.sample.update({'every': '1ep', 'rows': 4, 'columns': 4})
    config.checkpoint.every = '5ep'
    return config
