"""DCGAN on CIFAR-10 enlarged to 64x64 (Radford et al. 2016, 1511.06434).

python launch.py --config=configs/dcgan64_cifar10.py

25 epochs of 782 steps, for a GPU; 150 steps were run here (docs/results.md). The generator learns
on the fakes that the discriminator has just seen.
"""

from configs import dcgan_celeba


def get_config():
    """Return the config."""
    config = dcgan_celeba.get_config()
    config.data.dataset = 'cifar10'
    return config
