"""pix2pix of facades by R3GAN's loss and penalties (Huang et al. 2024, arXiv:2501.05441), 256x256.

python launch.py --config=configs/r3gan_facades.py --config.data.path=facades.zip
python launch.py --config=configs/r3gan_facades.py --config.data.path=facades.zip \
    --config.data.size=64 --config.data.transforms='jitter:72,64 flip' \
    --config.model.g.width=16 --config.model.d.width=16 --config.model.d.layers=2 \
    --config.batch_size=8 --config.duration=50ep

As pix2pix_facades, but for what that paper changes: the loss compares a photo with what is made of
its own labels, patch by patch (relativistic); R1 and R2 hold the gradients of the discriminator at
both, at the photos alone and not at the labels beside them; it has no normalisation, learns as
fast as the generator, and Adam has no momentum. gamma, terms.r1.weight and terms.r2.weight, is of
the sum over the logits of all patches and was not searched for. R3GAN's own discriminator, one
logit an image: --config.model.d.name=r3gan.Discriminator --config.model.d.size=S. Any loss and
other terms go with pix2pix the same way. The first command is for a GPU, the second for two CPU
cores. Rows of the grid: labels, made photos, photos; val_l1 is the mean difference of pixels.

Not run yet (docs/results.md).
"""

from ml_collections import FieldReference

from configs import pix2pix_facades
from gan_jax import terms


def get_config():
    """Return the config."""
    config = pix2pix_facades.get_config()
    config.loss.update({'name': 'relativistic', 'd_weight': 1.0})
    config.terms = terms.node(r1={}, r2={})
    gamma = FieldReference(1.0)
    for name in ('r1', 'r2'):
        config.terms[name].weight = gamma
    config.model.d.norm = 'none'
    for optimiser in config.optim.values():
        optimiser.b1 = 0.0
    return config
