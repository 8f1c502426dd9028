"""CycleGAN as a course teaches it: batch norm, no pool, no identity term, 128x128, 4,000 steps.

python launch.py --config=configs/cyclegancourse_summer2winter.py \
    --config.data.path=summer2winter.zip

A folder, zip or tar with trainA (summer) and trainB (winter). Generators of 8.4 million parameters
halve three times by 4x4 kernels, with six residual blocks between; discriminators of 2.8 million
end in one logit for the whole image, and use ReLU. The course's log has losses of the
discriminators of 0.38 and 0.19 and of the generators, with ten times what is lost there and back,
of 6.1 after ten steps; after a thousand 0.12, 0.58 and 6.6.

Ten steps were run, at one image a second of a CPU core: for a GPU, 4.7e15 FLOP in all
(docs/results.md).
"""

from configs import cyclegan_summer2winter
from gan_jax import models


def get_config():
    """Return the config."""
    config = cyclegan_summer2winter.base('128', blocks=6)
    config.data.update({'path': 'summer2winter.zip', 'transforms': ''})
    config.model = models.node(
        'cyclegan',
        g={
            'halvings': 3,
            'blocks': 6,
            'kernel': 4,
            'edge': 0,
            'padding': 'zero',
            'norm': 'batch',
            'weight_init': 'torch',
            'out_bias': False,
        },
        d={
            'name': 'dcgan.Discriminator',
            'act': 'relu',
            'padding': 1,
            'weight_init': 'torch',
        },
    )
    config.loss.update({'identity': 0.0, 'd_weight': 1.0})
    for optimiser in config.optim.values():
        with optimiser.ignore_type():
            optimiser.lr = 2e-4
    config.pool = 0
    config.batch_size = 16
    config.duration = '4000st'
    config.sample.every = '100st'
    config.checkpoint.every = '500st'
    return config
