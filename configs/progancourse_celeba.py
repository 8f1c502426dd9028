"""ProGAN on CelebA at 64x64 as a course teaches it: other schedule, latents and resampling.

python launch.py --config=configs/progancourse_celeba.py

From the paper's reading in `progan_celeba` it differs in what the course says: latents of 128
numbers, bilinear upsampling, ten epochs in which a stage fades in and ten after them at each
resolution. Batches have one size, real images do not fade in, and optimisers go on across growth.

Not run yet (docs/results.md).
"""

from configs import progan_celeba


def get_config():
    """Return the config."""
    config = progan_celeba.get_config()
    config.model.g.update({'z_dim': 128, 'up': 'bilinear'})
    config.growth.update({'fade': '10ep', 'stable': '10ep', 'reset': False, 'blend': False})
    config.batch_size = 32
    with config.growth.ignore_type():
        config.growth.batch = 1
    config.duration = '90ep'
    return config
