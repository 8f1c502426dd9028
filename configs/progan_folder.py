"""ProGAN on any folder, zip or tar of images (arXiv:1710.10196): it picks size and batches.

python launch.py --config=configs/progan_folder.py --config.data.path=MY_IMAGES --workdir=runs/mine

Images are cropped to the shape that most of them have, and brought to at most 64 pixels; other
sizes: --config.data.size=128. Networks have an eighth of the paper's channels; wider ones:
--config.model.g.width=512 --config.model.g.base=8192. The batches of each resolution are the
published ones; others, as factors of batch_size: --config.growth.batch=4,2,1,1,1.

Not run yet (docs/results.md).
"""

from configs import dcgan_folder, progan_celeba


def get_config():
    """Return the config; an empty size, 0 channels and no batches stand for what images say."""
    config = progan_celeba.base()
    config.data.update({'name': 'folder', 'path': ''})
    config.model.g.update({'width': 64, 'base': 1024, 'z_dim': 64})
    config.growth.update({'fade': '40kimg', 'stable': '40kimg'})
    with config.growth.ignore_type():
        config.growth.batch = ()
    config.duration = '600kimg'
    config.ema.half_life = '10kimg'
    config.sample.every = '500st'
    config.checkpoint.every = '1000st'
    return config


def complete(config):
    """Fill in what was left open, from a look at the images."""
    side = min(dcgan_folder.look(config))
    if config.growth.batch == ():
        progan_celeba.grow(config, side)
