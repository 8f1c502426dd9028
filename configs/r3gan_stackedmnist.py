"""R3GAN's loss on Stacked MNIST, three digits at once, at 32x32: does it make all 1,000 modes?

python launch.py --config=configs/r3gan_stackedmnist.py

The networks of dcgan_stackedmnist, whose lines say how modes are counted, without batch norm in the
discriminator; relativistic loss, R1 and R2 (Huang et al. 2024, arXiv:2501.05441, whose section 2
asks this of a small network, too).

Ten minutes of one busy CPU core a seed: 1,000 modes in each of three, KL 0.100 +- 0.011
(docs/results.md).
"""

from configs import dcgan_stackedmnist
from gan_jax import terms


def get_config():
    """Return the config."""
    config = dcgan_stackedmnist.get_config()
    config.model.d.norm = 'none'
    config.loss.name = 'relativistic'
    config.terms = terms.node(r1={'weight': 1.0}, r2={'weight': 1.0})
    config.duration = '128kimg'
    for optimiser in config.optim.values():
        optimiser.b1 = 0.0
    return config
