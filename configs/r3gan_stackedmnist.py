"""R3GAN on Stacked MNIST: does it make all 1,000 modes? (arXiv:2501.05441, table of section 2)

python launch.py --config=configs/r3gan_stackedmnist.py
python launch.py --mode=eval --workdir=runs/r3gan_stackedmnist --metrics=stacked --num=26000 \
    --num_real=2000 --features=classifier --weights=runs/classifier_mnist
python launch.py --config=configs/r3gan_stackedmnist.py --config.batch_size=32 \
    --config.model.g.widths=96,64,48 --config.model.d.widths=96,64,48 --config.duration=60kimg \
    --config.optim.g.lr.stop=60kimg --config.ema.half_life.final=2kimg

The paper gives no network for it; this is size S at 28x28, without augmentation. Published: 1,000
modes of 1,000, of 26,000 samples. The second command counts them by a classifier of ours
(configs/classifier_mnist.py).

The first command is for a GPU; of the third, for two CPU cores, 16,000 images were seen: 182 modes,
and a discriminator that wins (docs/results.md), so gamma is not yet what it should be.
"""

from configs import r3gan_cifar10


def get_config():
    """Return the config."""
    config = r3gan_cifar10.base(classes=0)
    config.data.update({'name': 'stacked_mnist', 'transforms': ''})
    config.model.g.size = 'S'
    config.batch_size = 64
    config.duration = '500kimg'
    r3gan_cifar10.schedule(config, gamma=0.1, half_life='10kimg', stop='500kimg')
    config.sample.every = '500st'
    return config
