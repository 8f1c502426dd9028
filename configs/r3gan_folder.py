"""R3GAN on any folder, zip or tar of images (arXiv:2501.05441): size and gamma follow from them.

python launch.py --config=configs/r3gan_folder.py --config.data.path=MY_IMAGES --workdir=runs/mine

Images are cropped to the shape that most of them have, and brought to at most 64 pixels; other
sizes: --config.data.size=128. gamma, which is what has to be found for a new set, is taken from the
paper's for photographs of faces at 64 and 256 pixels, and said when the run starts; another one:
--config.terms.r1.weight.first=1. Wider networks: --config.model.g.size=L.

Of 5,000 faces at 32x32, 5,600 images in six minutes of two CPU cores drew blots in the colours of
faces (docs/results.md): nothing is promised of the rest.
"""

import math

from configs import dcgan_folder, r3gan_cifar10

# gamma at first by the side of an image: FFHQ-64 and FFHQ-256; between them, and beyond, a power
SMALL, LARGE = (64, 2.0), (256, 150.0)
POWER = math.log(LARGE[1] / SMALL[1]) / math.log(LARGE[0] / SMALL[0])


def get_config():
    """Return the config; an empty size, 0 channels and a gamma of 0 stand for what images say."""
    config = r3gan_cifar10.base(classes=0)
    config.data.update({'name': 'folder', 'path': ''})
    config.model.g.size = 'S'
    config.batch_size = 32
    config.duration = '200kimg'
    r3gan_cifar10.schedule(config, gamma=0.0, p=0.3, half_life='10kimg', stop='200kimg')
    config.sample.every = '500st'
    config.checkpoint.every = '1000st'
    return config


def complete(config):
    """Fill in what was left open, from a look at the images."""
    height, width = dcgan_folder.look(config)
    weight = config.terms.r1.weight
    if not weight.first:
        weight.first = gamma(height, width)
        print(f'gamma {weight.first:.3g}, falling to {weight.final:.3g}, for {height}x{width}')


def gamma(height, width):
    """Return the weight of R1 and R2 at first for images of a size."""
    side = math.sqrt(height * width)
    return round(SMALL[1] * (side / SMALL[0]) ** POWER, 4)
