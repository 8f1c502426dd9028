"""BigGAN on CIFAR-10 (32x32) with labels: projection, attention, a latent that reaches each block.

python launch.py --config=configs/biggan_cifar10.py
python launch.py --config=configs/biggan_cifar10.py --config.batch_size=32 \
    --config.model.g.width=32 --config.model.d.width=32 --config.loss.n_critic=2 \
    --config.ema.half_life=2kimg --config.ema.ramp=0.05 --config.duration=60kimg

Brock et al. 2019 (arXiv:1809.11096) as in PyTorch-StudioGAN's BigGAN.yaml: 500,000 steps of the
discriminator at batch 64, 100,000 of the generator. --mode=sample and eval take batch statistics of
16 batches; --options=truncation=0.5 trades variety for sharpness. Published: FID 14.73; 4.16 by
StudioGAN against the training set, 8.03 against the 10,000 images of the test set.

The first command is for a GPU; the second for two CPU cores: after 28,000 images, half an hour, of
which compiling took eight minutes, each class has its colours, and no objects (docs/results.md).
"""

from gan_jax import config as configs
from gan_jax import models


def get_config():
    """Return the config."""
    config = configs.base()
    config.data.update({'name': 'tfds', 'dataset': 'cifar10', 'split': 'train'})
    config.data.transforms = 'flip'
    config.model = models.node(
        'biggan',
        prior='normal',
        classes=10,
        g={'z_dim': 80, 'width': 96, 'shared': 128, 'attention': (16,)},
        d={'width': 96, 'attention': (16,)},
    )
    config.batch_size = 64
    config.duration = '500000st'
    config.loss.update({'name': 'hinge', 'n_critic': 5})
    for optimiser in config.optim.values():
        optimiser.update({'name': 'adam', 'lr': 2e-4, 'b1': 0.5, 'b2': 0.999, 'eps': 1e-6})
    # a decay of 0.9999 for each step of the generator
    config.ema.update({'half_life': '2218kimg', 'ramp': 0.1})
    config.sample.update({'every': '1000st', 'rows': 8, 'columns': 10, 'standing': 16})
    return config
