"""R3GAN on Stacked MNIST: does it make all 1,000 modes? (arXiv:2501.05441, table of section 2)

python launch.py --config=configs/r3gan_stackedmnist.py
python launch.py --mode=eval --workdir=runs/r3gan_stackedmnist --metrics=stacked --num=26000 \
    --features=classifier --weights=runs/classifier_mnist

The paper gives no network for it; this is size S at 28x28, without augmentation. Published: 1,000
modes of 1,000, of 26,000 samples. The second command counts them by a classifier of ours
(configs/classifier_mnist.py).

Run for 50 steps only (docs/results.md): two CPU cores make about 10 images a second, 500 thousand
are for a GPU.
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
