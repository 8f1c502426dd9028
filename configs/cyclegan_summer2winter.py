"""CycleGAN between summer and winter in Yosemite, 128x128 (Zhu et al. 2017, arXiv:1703.10593).

python launch.py --config=configs/cyclegan_summer2winter.py --config.data.path=summer2winter.zip
python launch.py --config=configs/cyclegan_summer2winter.py --config.data.path=summer2winter.zip \
    --config.model.g.name=unet.Generator --config.model.g.width=16 --config.model.g.halvings=4 \
    --config.model.g.noisy=0 --config.model.g.norm=plain_instance --config.model.d.width=16 \
    --config.optim.g.lr.first=4e-4 --config.optim.d.lr.first=8e-4 --config.duration=10ep \
    --config.optim.g.lr.start=5ep --config.optim.g.lr.stop=10ep \
    --config.optim.d.lr.start=5ep --config.optim.d.lr.stop=10ep \
    --config.loss.cycle=4 --config.loss.identity=0.2

A folder, zip or tar with trainA (summer), trainB (winter), testA and testB. The paper's networks
and numbers for 128x128: six residual blocks, patches of 70x70, least squares, a pool of 50 images,
Adam's rate falling to 0 over the second hundred of 200 epochs. The first command is for a GPU: 372
GFLOP an image, 9.2e16 in all, by --mode=dryrun. The second, for a CPU core, has narrow U-Nets,
whose skips carry colours past instance norm. Rows of the grid: summer, made winter, summer again;
winter, made summer, winter again. val_cycle is what is lost on the way there and back, on [-1, 1].
Data by tensorflow-datasets instead of a path:
--config.data.dataset=cycle_gan/summer2winter_yosemite

The second took 22 minutes of one core for its 12,300 images: what comes back differs by 0.08, and
57 of 100 test photos are taken for the other season, under coloured dots; with the paper's weights
0.07, and 49 of 100 (docs/results.md).
"""

from gan_jax import config as configs
from gan_jax import models


def get_config():
    """Return the config."""
    config = base('128', blocks=6)
    config.data.path = 'summer2winter.zip'
    config.eval.update({'split': 'test', 'every': '5ep'})
    return config


def base(size, blocks):
    """Return the config for images of a size."""
    config = configs.base('cyclegan')
    config.data.update({'name': 'unpaired', 'split': 'train', 'size': size, 'transforms': 'flip'})
    config.model = models.node('cyclegan', g={'blocks': blocks}, d={})
    config.loss.half = False
    falling(config)
    config.sample.every = '1ep'
    config.checkpoint.every = '5ep'
    return config


def falling(config):
    """Set what both papers train by: Adam, whose rate falls to 0, on one image at a time."""
    for optimiser in config.optim.values():
        optimiser.update({'name': 'adam', 'b1': 0.5, 'b2': 0.999})
        with optimiser.ignore_type():
            optimiser.lr = {'first': 2e-4, 'final': 0.0, 'start': '100ep', 'stop': '200ep'}
    config.batch_size = 1
    config.duration = '200ep'
