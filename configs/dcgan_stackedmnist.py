"""DCGAN on Stacked MNIST, three digits at once, at 32x32: does it make all 1,000 modes?

python launch.py --config=configs/dcgan_stackedmnist.py
python launch.py --config=configs/classifier_mnist.py --config.data.size=32 \
    --workdir=runs/classifier_mnist32
python launch.py --mode=eval --workdir=runs/dcgan_stackedmnist --metrics=stacked --num=26000 \
    --num_real=2000 --features=classifier --weights=runs/classifier_mnist32

Metz et al. 2017 (arXiv:1611.02163), as Lin et al. 2018 (arXiv:1712.04086) have it. The third
command counts modes by a classifier of single digits, of the size of these. `wgangp_stackedmnist`
and `r3gan_stackedmnist` have the same networks.

After 192,000 images, eight minutes of one busy CPU core: 1,000 modes with a KL of 0.105 of seed 0,
998 with 0.253 of seed 1, 1,000 with 0.124 of seed 2 (docs/results.md).
"""

from gan_jax import config as configs
from gan_jax import models


def get_config():
    """Return the config."""
    config = configs.base()
    config.data.update({'name': 'stacked_mnist', 'size': '32'})
    config.model = models.node(
        'dcgan',
        prior='normal',
        g={'z_dim': 100, 'widths': (128, 64, 32), 'out_bias': True},
        d={'widths': (32, 64, 128), 'out_bias': True},
    )
    config.batch_size = 32
    config.duration = '192kimg'
    for optimiser in config.optim.values():
        optimiser.lr = 1e-3
    config.ema.update({'half_life': '10kimg', 'ramp': 0.05})
    config.steps_per_call = 10
    config.sample.every = '32kimg'
    config.checkpoint.every = '64kimg'
    return config
