"""The recipe of the faces' speedrun: DCGAN on 4,000 faces of CelebA, 64x64 (docs/speedrun.md).

python launch.py --config=configs/speedrun_celeba.py --config.data.path=faces
python benchmarks/speedrun.py --task=celeba --judge=inception_2015_768.npz \
    --config.data.path=faces

faces is a folder with train and test, 4,000 and 1,000 of them in the race. dcgan_celeba at half the
widths, in batches of 32 at two and a half times the rate, which falls to 0, and an average of the
generator. Fourteen minutes of two CPU cores, one of them with other work, ended at an FID-768 of
0.904, under the race's limit of 1.113, in faces with eyes, nose, mouth and hair in place.
"""

from configs import dcgan_celeba, speedrun_mnist


def get_config():
    """Return the config."""
    config = dcgan_celeba.get_config()
    config.data = {
        'name': 'folder', 'path': 'faces', 'split': 'train', 'size': '64', 'transforms': 'flip',
    }  # fmt: skip
    config.model.g.widths, config.model.d.widths = (256, 128, 64, 32), (32, 64, 128, 256)
    config.batch_size = 32
    config.duration = '120kimg'
    speedrun_mnist.hurry(config, 5e-4)
    config.sample.every = '40kimg'
    config.checkpoint.every = '120kimg'
    return config
