"""ProGAN on CelebA at 128x128: `progan_celeba`, and one resolution more.

python launch.py --config=configs/progan_celeba128.py

The last batches are of 16 images. The data comes from tensorflow-datasets; of a folder or zip of
the images: --config.data.name=folder --config.data.path=img_align_celeba.zip

Not run yet (docs/results.md).
"""

from configs import progan_celeba


def get_config():
    """Return the config."""
    config = progan_celeba.get_config()
    config.data.size = '128'
    progan_celeba.grow(config, side=128)
    config.duration = '8400kimg'
    # 0.999 an update of 16 images
    config.ema.half_life = '11kimg'
    return config
