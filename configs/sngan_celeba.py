"""SNGAN on CelebA at 64x64: the networks of `sngan_cifar10` for larger images.

python launch.py --config=configs/sngan_celeba.py

The data comes from tensorflow-datasets; of a folder or zip of the images:
--config.data.name=folder --config.data.path=img_align_celeba.zip

Published: FID 5.71 by kwotsin/mimicry, 50,000 samples against the training set.

Not run yet (docs/results.md).
"""

from configs import sngan_cifar10


def get_config():
    """Return the config."""
    config = sngan_cifar10.get_config()
    config.data.update({'dataset': 'celeb_a', 'size': '64', 'resize': 'bilinear'})
    config.model.d.halvings = 5
    return config
