"""DCGAN on any folder, zip or tar of images: it looks at them and picks size, channels and width.

python launch.py --config=configs/dcgan_folder.py --config.data.path=MY_IMAGES --workdir=runs/mine

Images are cropped to the shape that most of them have, and brought to at most 64 pixels; other
sizes: --config.data.size=128 or 96x64. 200 thousand images in all; of 5,000 faces, 25 thousand
(six minutes on two CPU cores) already showed faces (docs/results.md). `python -m gan_jax.data
inspect MY_IMAGES` prints what is seen; `prepare` decodes a large set once.
"""

from gan_jax import config as configs
from gan_jax import models
from gan_jax.data import geometry
from gan_jax.data.preparation import summary


def get_config():
    """Return the config; empty size and widths, and 0 channels, stand for what the data says."""
    config = configs.base()
    config.data.update({'name': 'folder', 'path': '', 'transforms': 'flip'})
    config.model = models.node('dcgan', prior='normal', g={'widths': ()}, d={'widths': ()})
    config.batch_size = 64
    config.duration = '200kimg'
    # The ramp lets the first grids show what has been learnt, not the untrained start.
    config.ema.update({'half_life': '10kimg', 'ramp': 0.05})
    config.sample.every = '500st'
    config.checkpoint.every = '1000st'
    return config


def look(config):
    """Fill in source, size and channels from a look at the images; return height and width."""
    seen = summary.summary(config.data.path, config.data.split)
    config.data.name = seen.name
    config.data.size = config.data.size or seen.size
    config.data.channels = config.data.channels or seen.channels
    return geometry.parse_size(config.data.size)


def complete(config):
    """Fill in what was left open, from a look at the images."""
    side = min(look(config))
    # The smallest image is 4 to 7 pixels; each doubling halves the number of channels.
    doublings = max(1, (side // 4).bit_length() - 1)
    widths = tuple(64 * 2**i for i in range(doublings))
    config.model.d.widths = config.model.d.widths or widths
    config.model.g.widths = config.model.g.widths or widths[::-1]
