"""LSGAN on CelebA at 64x64: least squares in place of cross-entropy (arXiv:1611.04076).

python launch.py --config=configs/lsgan_celeba.py

Mao et al. 2017, eq. 9, on the networks, data and rates of dcgan_celeba. The paper shows scenes of
LSUN, and gives no number for faces.

After 34,000 images of 5,000 faces, 11 minutes of two CPU cores, it drew gray noise
(docs/results.md): the rest was not run, and nothing is promised.
"""

from configs import dcgan_celeba


def get_config():
    """Return the config."""
    config = dcgan_celeba.get_config()
    config.loss.name = 'least_squares'
    return config
