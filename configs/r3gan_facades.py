"""pix2pix of facades by R3GAN's loss and penalties (Huang et al. 2024, arXiv:2501.05441), 256x256.

python launch.py --config=configs/r3gan_facades.py --config.data.path=facades.zip
python launch.py --config=configs/r3gan_facades.py --config.data.path=facades.zip \
    --config.data.size=128 --config.data.transforms='jitter:143,128 flip' \
    --config.model.g.width=16 --config.model.d.width=16 --config.batch_size=4 \
    --config.optim.g.lr.first=4e-4 --config.optim.d.lr.first=4e-4 --config.duration=16ep \
    --config.optim.g.lr.start=8ep --config.optim.g.lr.stop=16ep \
    --config.optim.d.lr.start=8ep --config.optim.d.lr.stop=16ep

As pix2pix_facades, but for what that paper changes: the loss compares a photo with what is made of
its own labels, patch by patch (relativistic); R1 and R2 hold the gradients of the discriminator at
both, at the photos alone and not at the labels beside them; it has no normalisation, learns as fast
as the generator, and Adam has no momentum. gamma, terms.r1.weight and terms.r2.weight, is of the
sum over the logits of all patches: 0.01, since with 1 the discriminator learnt nothing at 128x128
(losses of log 2). R3GAN's own discriminator, one logit an image:
--config.model.d.name=r3gan.Discriminator --config.model.d.size=S. Any loss and other terms go with
pix2pix the same way. The first command is for a GPU, the second for a CPU core. Rows of the grid:
labels, made photos, photos; val_l1 is the mean difference of pixels.

After 6,400 images at 128x128, eight minutes of one core: windows where the labels have them,
blurred; nearer to the photos than L1 alone to LPIPS (docs/results.md).
"""

from ml_collections import FieldReference

from configs import pix2pix_facades
from gan_jax import terms


def get_config():
    """Return the config."""
    config = pix2pix_facades.get_config()
    config.loss.update({'name': 'relativistic', 'd_weight': 1.0})
    config.terms = terms.node(r1={}, r2={})
    gamma = FieldReference(0.01)
    for name in ('r1', 'r2'):
        config.terms[name].weight = gamma
    config.model.d.norm = 'none'
    for optimiser in config.optim.values():
        optimiser.b1 = 0.0
    return config
