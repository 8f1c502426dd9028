"""StyleGAN on CelebA at 64x64, grown from 4x4 (Karras et al. 2019, arXiv:1812.04948).

python launch.py --config=configs/stylegan_celeba.py
python launch.py --config=configs/stylegan_celeba.py --config.data.size=32 \
    --config.model.g.width=32 --config.model.g.base=512 --config.model.g.z_dim=64 \
    --config.model.g.w_dim=64 --config.batch_size=16 --config.growth.batch=1 \
    --config.growth.fade=12kimg --config.growth.stable=12kimg --config.duration=100kimg \
    --config.ema.half_life=3kimg

There is no published run at this size: widths, batches and lengths are ProGAN's (progan_celeba),
the loss is nonsaturating with an R1 of weight 10, as for the paper's faces. The first is for a GPU;
the second grows narrow networks to 32x32: 21 minutes of two CPU cores showed heads with hair, and
faces like masks (docs/results.md). Without growth: --config.algorithm=gan. For other data than
tensorflow-datasets': --config.data.name=folder --config.data.path=img_align_celeba.zip
"""

from configs import progan_celeba
from gan_jax import models, terms


def get_config():
    """Return the config."""
    config = progan_celeba.get_config()
    config.model = models.node('stylegan', prior='normal', classes=0, g={}, d={})
    for key in ('width', 'base', 'widths'):
        config.model.d[key] = config.model.g.get_ref(key)
    config.loss.name = 'nonsaturating'
    config.terms = terms.node(r1={'weight': 10.0})
    config.ema.half_life = '10kimg'
    return config
