"""DCGAN on CelebA at 64x64, as in pytorch/examples (Radford et al. 2016, 1511.06434).

python launch.py --config=configs/dcgan_celeba.py

The data comes from tensorflow-datasets; of a folder or zip of the images:
--config.data.name=folder --config.data.path=img_align_celeba.zip

25 epochs of 2,543 steps, for a GPU. 1,600 steps on 5,000 of the faces showed eyes, nose and mouth
in place (docs/results.md).
"""

from gan_jax import config as configs
from gan_jax import models


def get_config():
    """Return the config."""
    config = configs.base()
    config.data.update({'name': 'tfds', 'dataset': 'celeb_a', 'split': 'train', 'size': '64'})
    config.data.resize = 'bilinear'
    config.model = models.node('dcgan', prior='normal', g={}, d={})
    config.batch_size = 64
    config.duration = '25ep'
    config.loss.reuse_z = True
    config.sample.every = '500st'
    return config
