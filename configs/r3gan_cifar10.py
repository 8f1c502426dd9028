"""R3GAN on CIFAR-10 (32x32), with its classes (Huang et al. 2024, arXiv:2501.05441).

python launch.py --config=configs/r3gan_cifar10.py
python launch.py --config=configs/r3gan_cifar10.py --config.model.g.size=S \
    --config.model.classes=0 --config.batch_size=32 --config.duration=90kimg \
    --config.optim.g.lr.stop=90kimg --config.ema.half_life.final=3kimg \
    --config.terms.ada.p.final=0 --config.terms.r1.weight.first=1

The first is the paper's: 250 million images on eight GPUs. Published: FID 1.96, 50,000 samples
against the training set. One key sets what belongs together: the size of both networks, `stop` of
every schedule, gamma (terms.r1.weight.first) of both penalties, which falls to a tenth. The second
is for two CPU cores, without classes or augmentation: after 30,000 images, half an hour, it was
ahead of dcgan_cifar10 at as many images, with blurred shapes (docs/results.md).
"""

from ml_collections import FieldReference

from gan_jax import config as configs
from gan_jax import models, terms


def get_config():
    """Return the config."""
    config = base(classes=10)
    config.data.update({'name': 'tfds', 'dataset': 'cifar10', 'split': 'train'})
    config.batch_size = 512
    config.duration = '250000kimg'
    schedule(config, gamma=0.05, p=0.55, half_life='5000kimg', stop='20000kimg')
    return config


def base(classes):
    """Return what R3GAN's configs have in common."""
    config = configs.base()
    config.data.transforms = 'flip'
    config.model = models.node('r3gan', prior='normal', classes=classes, g={}, d={})
    config.model.d.size = config.model.g.get_ref('size')
    config.loss.name = 'relativistic'
    config.terms = terms.node(r1={}, r2={})
    config.sample.every = '1000st'
    return config


def schedule(config, gamma, half_life, stop, p=0.0):
    """Move all that the paper moves along one cosine, from image 0 to `stop`.

    gamma: weight of R1 and R2, which falls to a tenth; half_life: that of the average at the end;
    p: ADA's at the end, 0 for no augmentation.
    """
    stop, gamma = FieldReference(stop), FieldReference(gamma)

    def moving(first, final):
        return {'first': first, 'final': final, 'start': '0img', 'stop': stop, 'shape': 'cosine'}

    for optimiser in config.optim.values():
        optimiser.update({'name': 'adam', 'b1': 0.0})
        with optimiser.ignore_type():
            optimiser.update({'lr': moving(2e-4, 5e-5), 'b2': moving(0.9, 0.99)})
    for name in ('r1', 'r2'):
        with config.terms[name].ignore_type():
            config.terms[name].weight = moving(gamma, gamma / 10)
    if p:
        config.terms.update(terms.node(ada={'p': p}))
        with config.terms.ada.ignore_type():
            config.terms.ada.p = moving(0.0, p)
    with config.ema.ignore_type():
        config.ema.half_life = moving('0img', half_life)
