"""R3GAN on CelebA at 64x64, with the paper's numbers for FFHQ-64 (arXiv:2501.05441).

python launch.py --config=configs/r3gan_celeba.py
python launch.py --config=configs/r3gan_celeba.py --config.model.g.size=S --config.batch_size=32 \
    --config.duration=50kimg --config.optim.g.lr.stop=50kimg --config.ema.half_life.final=3kimg \
    --config.terms.ada.p.final=0
python launch.py --config=configs/r3gan_celeba.py --config.data.size=32 --config.batch_size=16 \
    --config.model.g.widths=96,96,64,48 --config.model.d.widths=96,96,64,48 \
    --config.model.g.size=S --config.duration=40kimg --config.optim.g.lr.stop=40kimg \
    --config.ema.half_life.final=2kimg --config.terms.ada.p.final=0

Published for FFHQ-64: FID 1.95, 50,000 samples against the training set. The first is for GPUs;
the others for two CPU cores. For other data than tensorflow-datasets':
--config.data.name=folder --config.data.path=img_align_celeba.zip

Of the third the first 5,600 images were seen, nine minutes: blots in the colours of faces
(docs/results.md). The others were not run.
"""

from configs import r3gan_cifar10


def get_config():
    """Return the config."""
    config = r3gan_cifar10.base(classes=0)
    config.data.update({'name': 'tfds', 'dataset': 'celeb_a', 'split': 'train', 'size': '64'})
    config.batch_size = 256
    config.duration = '100000kimg'
    r3gan_cifar10.schedule(config, gamma=2.0, p=0.3, half_life='500kimg', stop='20000kimg')
    return config
