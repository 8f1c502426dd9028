"""StyleGAN2 on CelebA at 64x64 (Karras et al. 2020, arXiv:1912.04958), unconditional.

python launch.py --config=configs/stylegan2_celeba.py
python launch.py --config=configs/stylegan2_celeba.py --config.data.size=32 \
    --config.model.g.base=512 --config.model.g.width=64 --config.model.g.z_dim=64 \
    --config.model.g.w_dim=64 --config.batch_size=16 --config.terms.r1.weight=0.0128 \
    --config.duration=60kimg --config.ema.half_life=3kimg

There is no published run at this size: widths, learning rates and the weight of R1 are those that
the code of arXiv:2006.06676 derives from the size of images (gamma 0.0002 * 64 * 64 / 32, batch 32,
half of the largest widths). R1 is an update of its own beside every 16th of the discriminator, and
path length, of half a batch, beside every 4th of the generator; Adam is corrected for that. The
first command is for a GPU; the second is narrow, at 32x32: after half of it, 14 minutes of two CPU
cores, faces with hair and grain (docs/results.md). For other data than tensorflow-datasets':
--config.data.name=folder --config.data.path=img_align_celeba.zip
"""

from configs import stylegan2_cifar10
from gan_jax import terms


def get_config():
    """Return the config."""
    config = base()
    config.data.update({'name': 'tfds', 'dataset': 'celeb_a', 'split': 'train', 'size': '64'})
    config.terms.r1.weight = 0.0256
    return config


def base():
    """Return the config for images of any size, with an R1 of weight 0 to be filled in."""
    config = stylegan2_cifar10.base(classes=0, g={'layers': 2, 'base': 16384}, d={})
    for key in ('base', 'width'):
        config.model.d[key] = config.model.g.get_ref(key)
    config.data.transforms = 'flip'
    config.batch_size = 32
    config.duration = '25000kimg'
    config.terms = terms.node(
        r1={'weight': 0.0, 'every': 16}, path_length={'every': 4, 'shrink': 2}
    )
    config.ema.update({'half_life': '10kimg', 'ramp': 0.05})
    return config
