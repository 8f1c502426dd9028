"""CycleGAN between horses and zebras, 256x256 (Zhu et al. 2017, arXiv:1703.10593).

python launch.py --config=configs/cyclegan_horse2zebra.py

The paper's: nine residual blocks, images enlarged to 286x286 and cut back to 256x256 at random
places, one at a time, 200 epochs; for a GPU. The data comes by tensorflow-datasets
(cycle_gan/horse2zebra); its other sets: --config.data.dataset=cycle_gan/apple2orange.

Not run yet (docs/results.md).
"""

from configs import cyclegan_summer2winter


def get_config():
    """Return the config."""
    config = cyclegan_summer2winter.base('256', blocks=9)
    config.data.update({'dataset': 'cycle_gan/horse2zebra', 'transforms': 'jitter:286,256 flip'})
    config.eval.update({'split': 'test', 'every': '5ep'})
    return config
