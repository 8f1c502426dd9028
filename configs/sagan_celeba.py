"""SAGAN on CelebA at 64x64, unconditional: spectral norm and self-attention in both networks.

python launch.py --config=configs/sagan_celeba.py
python launch.py --config=configs/sagan_celeba.py --config.data.size=32 --config.batch_size=16 \
    --config.model.g.width=32 --config.model.g.attention=16 --config.model.d.width=32 \
    --config.model.d.attention=16 --config.duration=30kimg --config.ema.half_life=2kimg \
    --config.ema.ramp=0.05

Zhang et al. 2018 (arXiv:1805.08318): attention where images have 32x32 pixels, one step of each
network, and a discriminator that learns four times as fast. The paper trained on ImageNet at
128x128, batch 256, with labels. The first command is for a GPU; the second for two CPU cores: heads
with hair after 10,000 images, a third of it, of which it makes 15 a second (docs/results.md).

The data comes from tensorflow-datasets; of a folder or zip of the images:
--config.data.name=folder --config.data.path=img_align_celeba.zip
"""

from gan_jax import config as configs
from gan_jax import models


def get_config():
    """Return the config."""
    config = configs.base()
    config.data.update({'name': 'tfds', 'dataset': 'celeb_a', 'split': 'train', 'size': '64'})
    config.data.resize = 'bilinear'
    config.model = models.node('sagan', prior='normal', g={}, d={})
    config.batch_size = 64
    config.duration = '50ep'
    config.loss.name = 'hinge'
    config.optim.g.update({'name': 'adam', 'lr': 1e-4, 'b1': 0.0, 'b2': 0.9})
    config.optim.d.update({'name': 'adam', 'lr': 4e-4, 'b1': 0.0, 'b2': 0.9})
    config.ema.half_life = '20kimg'
    config.sample.every = '500st'
    return config
