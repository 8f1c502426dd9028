"""Conditional adversarial autoencoder of faces and their ages, 64x64 (arXiv:1702.08423).

python launch.py --config=configs/caae_utkface.py --config.data.path=UTKFace --workdir=runs/caae
python launch.py --mode=sample --maker=prior --label=9 --workdir=runs/caae

Of any folder, zip or tar of faces whose file names begin with an age in years, as UTKFace's do:
25_0_2_20170116174525125.jpg. Ten classes of age, as in the paper, which has 128x128
(--config.data.size=128), tells the gender, too, and weighs both discriminators by 1e-4 against the
L1 distance. A row of the picture has a face, and the same at ten ages.

Not run yet (docs/results.md).
"""

from configs import autoencoder_mnist
from gan_jax import models


def get_config():
    """Return the config."""
    data = {'name': 'utkface', 'path': '', 'split': '', 'size': '64', 'channels': 3}
    config = autoencoder_mnist.base('caae', {**data, 'transforms': 'flip'}, lr=2e-4, b1=0.5)
    config.model = models.node(
        'caae',
        prior='uniform',
        classes=10,
        encoder={'widths': (64, 128, 256, 512), 'hidden': (), 'z_dim': 50, 'kernel': 5},
        decoder={'widths': (512, 256, 128, 64), 'hidden': (), 'kernel': 5},
        d_z={'hidden': (64, 32, 16)},
        d={'name': 'cgan.Discriminator', 'widths': (16, 32, 64, 128)},
    )
    config.batch_size = 100
    config.duration = '50ep'
    config.steps_per_call = 1
    config.eval.update({'split': '', 'every': '0st'})
    config.checkpoint.best = ''
    return config
