"""ProGAN on CelebA at 64x64, grown from 4x4 as in the paper (Karras et al. 2018, arXiv:1710.10196).

python launch.py --config=configs/progan_celeba.py
python launch.py --config=configs/progan_celeba.py --config.data.size=32 --config.model.g.width=32 \
    --config.model.g.base=512 --config.batch_size=16 --config.growth.batch=1 \
    --config.growth.fade=12kimg --config.growth.stable=12kimg --config.duration=100kimg \
    --config.ema.half_life=3kimg

The first is the published code's schedule for one GPU: 600 thousand images fading and 600 thousand
after it at each resolution, in batches of 128, 128, 128, 64 and 32, WGAN-GP with drift, and real
images that fade in too. The second grows narrow networks to 32x32 in batches of 16: 20 minutes of
two CPU cores, and faces that can be told apart (docs/results.md). In the batches of the first, and
as few images, it had drawn blotches: steps are what it lacked. For other data than
tensorflow-datasets': --config.data.name=folder --config.data.path=img_align_celeba.zip
"""

from gan_jax import config as configs
from gan_jax import models, terms


def get_config():
    """Return the config."""
    config = base()
    config.data.update({'name': 'tfds', 'dataset': 'celeb_a', 'split': 'train', 'size': '64'})
    grow(config, side=64)
    config.duration = '7200kimg'
    # 0.999 an update of 32 images
    config.ema.half_life = '22kimg'
    return config


def base():
    """Return what ProGAN's configs have in common."""
    config = configs.base('progressive')
    config.data.transforms = 'flip'
    config.model = models.node('progan', prior='normal', classes=0, g={}, d={})
    for key in ('width', 'base', 'widths'):
        config.model.d[key] = config.model.g.get_ref(key)
    config.loss.name = 'wasserstein'
    config.terms = terms.node(gradient_penalty={'weight': 10.0}, drift={})
    for optimiser in config.optim.values():
        optimiser.update({'name': 'adam', 'lr': 1e-3, 'b1': 0.0, 'b2': 0.99})
    config.growth.update({'fade': '600kimg', 'stable': '600kimg'})
    config.sample.every = '2000st'
    config.checkpoint.every = '5000st'
    return config


def grow(config, side):
    """Set the published batches up to images of a shorter side: 2048 / side, from 4 to 128."""
    smallest = side
    while smallest >= 8:
        smallest //= 2
    sides = [smallest * 2**i for i in range((side // smallest).bit_length())]
    # multiples of 4, which is how many images the discriminator compares
    sizes = [max(4, min(128, 2048 // s // 4 * 4)) for s in sides]
    config.batch_size = sizes[-1]
    with config.growth.ignore_type():
        config.growth.batch = tuple(size // sizes[-1] for size in sizes)
