"""pix2pix from labels of facades to photos, 256x256 (Isola et al. 2017, arXiv:1611.07004).

python launch.py --config=configs/pix2pix_facades.py --config.data.path=facades.zip
python launch.py --config=configs/pix2pix_facades.py --config.data.path=facades.zip \
    --config.data.size=128 --config.data.transforms='jitter:143,128 flip' \
    --config.model.g.width=16 --config.model.d.width=16 --config.batch_size=4 \
    --config.optim.g.lr.first=4e-4 --config.optim.d.lr.first=4e-4 --config.duration=16ep \
    --config.optim.g.lr.start=8ep --config.optim.g.lr.stop=16ep \
    --config.optim.d.lr.start=8ep --config.optim.d.lr.stop=16ep --config.loss.adversarial=0.1

A folder, zip or tar with train and val, photo and labels side by side. The paper's U-Net and
patches of 70x70, the weight of pixels 100, images enlarged to 286x286 and cut back to 256x256, one
at a time, for which its batch norm, that of the image at hand also when it translates, is instance
norm; Adam's rate falls to 0 over the second hundred of 200 epochs. The first command is for a GPU
(96 GFLOP an image, 7.7e15 in all, by --mode=dryrun), the second for a CPU core. Rows of the grid:
labels, made photos, photos. val_l1 is the mean difference of pixels on [-1, 1]. Without a
discriminator: --config.loss.adversarial=0.

A tenth of the adversarial weight is for short runs of narrow networks: with it the second made
facades with windows where the labels have them, in eight minutes of one CPU core, nearer to the
photos to LPIPS than L1 alone, blurred; with the paper's weight windows were sharper, amid lines,
and LPIPS worse (docs/results.md, benchmarks/facades.py).
"""

from configs import cyclegan_summer2winter
from gan_jax import config as configs
from gan_jax import models


def get_config():
    """Return the config."""
    config = base('256')
    config.data.update({'path': 'facades.zip', 'direction': 'BtoA'})
    config.data.transforms = 'jitter:286,256 flip'
    config.eval.update({'split': 'val', 'every': '5ep'})
    return config


def base(size):
    """Return the config for images of a size."""
    config = configs.base('pix2pix')
    config.data.update({'name': 'pairs', 'split': 'train', 'size': size, 'transforms': 'flip'})
    config.model = models.node('unet', g={'norm': 'instance'}, d={'norm': 'instance'})
    cyclegan_summer2winter.falling(config)
    config.sample.every = '5ep'
    config.checkpoint.every = '10ep'
    return config
