"""StyleGAN2 on any folder, zip or tar of images (arXiv:1912.04958), which set size and gamma.

python launch.py --config=configs/stylegan2_folder.py --config.data.path=MY_IMAGES --workdir=runs/me

Images are cropped to the shape that most of them have, and brought to at most 64 pixels; other
sizes, rectangles too: --config.data.size=128 or 96x64. gamma, the weight of R1, is 0.0002 * height
* width / batch size, as in the code of arXiv:2006.06676, and said when the run starts; another one:
--config.terms.r1.weight=1. Of few images: --config.terms.ada.target=0.6. Narrower networks:
--config.model.g.width=64 --config.model.g.base=2048.

Not run yet (docs/results.md).
"""

from configs import dcgan_folder, stylegan2_celeba


def get_config():
    """Return the config; an empty size, 0 channels and a gamma of 0 stand for what images say."""
    config = stylegan2_celeba.base()
    config.data.update({'name': 'folder', 'path': ''})
    config.duration = '200kimg'
    config.sample.every = '500st'
    config.checkpoint.every = '1000st'
    return config


def complete(config):
    """Fill in what was left open, from a look at the images."""
    height, width = dcgan_folder.look(config)
    if not config.terms.r1.weight:
        config.terms.r1.weight = gamma(height, width, config.batch_size)
        print(f'gamma {config.terms.r1.weight:.3g} for {height}x{width} in batches of '
              f'{config.batch_size}')  # fmt: skip


def gamma(height, width, batch_size):
    """Return the weight of R1 for images of a size."""
    return round(0.0002 * height * width / batch_size, 6)
