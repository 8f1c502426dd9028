"""CycleGAN between any two sets of images: it looks at them and picks size and channels.

python launch.py --config=configs/cyclegan_folder.py --config.data.path=MY_IMAGES \
    --workdir=runs/mine

MY_IMAGES is a folder, zip or tar with trainA and trainB, or A and B. Squares are cut from the
middle, of at most 128 pixels; other sizes: --config.data.size=256 (with --config.model.g.blocks=9)
or 96x64. With testA and testB, --config.eval.split=test measures what is lost there and back.

Not run yet (docs/results.md).
"""

from configs import cyclegan_summer2winter
from gan_jax.data.preparation import summary
from gan_jax.data.sources import unpaired

# images of a side that a first run can learn; larger ones are scaled down to it
SIDE = 128


def get_config():
    """Return the config; an empty size and 0 channels stand for what the data says."""
    config = cyclegan_summer2winter.base('', blocks=6)
    config.data.path = ''
    config.eval.every = '5ep'
    return config


def complete(config):
    """Fill in what was left open, from a look at the first set."""
    first, _ = unpaired.sides(config.data.path, config.data.split)
    fit(config, summary.summary(config.data.path, first), 4)


def fit(config, seen, step, halves=1):
    """Fill in size, a multiple of `step`, and channels; halves: images side by side in a file."""
    sizes = (tuple(map(int, size.split('x'))) for size in seen.sizes)
    smallest = min(min(height, width // halves) for height, width in sizes)
    side = min(SIDE, max(step, smallest // step * step))
    config.data.size = config.data.size or str(side)
    config.data.channels = config.data.channels or seen.channels
