"""Classifier of one attribute of CelebA's faces (64x64), for directions of latents.

python launch.py --config=configs/classifier_celeba.py --workdir=runs/glasses

--config.data.labels=Male --workdir=runs/gender and --config.data.labels=Young --workdir=runs/age
are the other ones. 2 epochs of the data of tensorflow-datasets; then
--mode=directions --attributes=Eyeglasses,Male,Young --classifiers=runs/glasses,runs/gender,runs/age
(docs/latent.md). Not run yet (docs/results.md).
"""

from configs import classifier_mnist
from gan_jax import models


def get_config():
    """Return the config."""
    config = classifier_mnist.get_config()
    config.data.update({'dataset': 'celeb_a', 'size': '64', 'labels': 'Eyeglasses'})
    config.data.resize = 'bilinear'
    config.model = models.node('classifier', classes=2, classifier={'widths': (32, 64, 128, 128)})
    config.optim.classifier.lr.stop = '2ep'
    config.duration = '2ep'
    config.sample.every = '1ep'
    config.checkpoint.every = '1ep'
    return config
