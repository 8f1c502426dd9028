"""pix2pix on any pairs of images: it looks at them and picks size and channels.

python launch.py --config=configs/pix2pix_folder.py --config.data.path=MY_PAIRS --workdir=runs/mine

MY_PAIRS is a folder, zip or tar with both images of a pair side by side in one file, or with two
folders (trainA and trainB, or A and B) where partners have the same name. The second one is made of
the first; the other way: --config.data.direction=BtoA. Squares are cut from the middle, of at most
128 pixels; other sizes: --config.data.size=256. With a folder of test pairs,
--config.eval.split=test measures the mean difference of pixels.

Not run yet (docs/results.md).
"""

from configs import cyclegan_folder, pix2pix_facades
from gan_jax.data import stores
from gan_jax.data.preparation import summary
from gan_jax.data.sources import unpaired


def get_config():
    """Return the config; an empty size and 0 channels stand for what the data says."""
    config = pix2pix_facades.base('')
    config.data.path = ''
    config.eval.every = '5ep'
    return config


def complete(config):
    """Fill in what was left open, from a look at the first images of pairs."""
    path, split = config.data.path, config.data.split
    two = unpaired.find(stores.open_store(path).names, split)
    seen = summary.summary(path, two[0] if two else split)
    cyclegan_folder.fit(config, seen, 32, halves=1 if two else 2)
