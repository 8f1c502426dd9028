"""LSGAN on CelebA at 64x64: least squares in place of cross-entropy (arXiv:1611.04076).

python launch.py --config=configs/lsgan_celeba.py

Mao et al. 2017, eq. 9, on the networks, data and rates of dcgan_celeba, but without batch norm in
the discriminator: with it gradients of the generator had norms of 30 to 130, and 34,000 images
showed gray noise; without it they have 2, and after 10,000 images of 5,000 faces, five minutes of
two CPU cores, soft faces look out of a pattern (docs/results.md). The paper shows scenes of LSUN,
and gives no number for faces.
"""

from configs import dcgan_celeba


def get_config():
    """Return the config."""
    config = dcgan_celeba.get_config()
    config.loss.name = 'least_squares'
    config.model.d.norm = 'none'
    return config
