"""WGAN-GP on CelebA at 64x64: the game of `wgangp_cifar10` on larger images.

python launch.py --config=configs/wgangp_celeba.py

The data comes from tensorflow-datasets; of a folder or zip of the images:
--config.data.name=folder --config.data.path=img_align_celeba.zip

Not run yet (docs/results.md).
"""

from configs import wgangp_cifar10


def get_config():
    """Return the config."""
    config = wgangp_cifar10.get_config()
    config.data.update({'dataset': 'celeb_a', 'size': '64', 'resize': 'bilinear'})
    config.model.g.width = 64
    return config
