"""Small GAN with tanh throughout on 38 logograms (128x128, gray), after how_to_generate_video.

python launch.py --config=configs/dcgan_logograms.py --config.data.path=FOLDER_OR_ZIP

1,200 steps of ten real and ten fake images in one batch, eight minutes on two CPU cores: rings with
splashes of ink, many alike (docs/results.md); 38 images are few, and the model remembers them.
walk.gif, and walk.mp4 with '.[video]', is the video that it ends with: a walk through the latents.
"""

from gan_jax import config as configs
from gan_jax import models


def get_config():
    """Return the config."""
    config = configs.base()
    config.data.update({'name': 'folder', 'path': 'logograms.zip', 'size': '128', 'channels': 1})
    config.model = models.node(
        'dcgan',
        prior='uniform',
        g={
            'z_dim': 100,
            'hidden': (1024,),
            'widths': (128, 64),
            'strides': 4,
            'kernel': 5,
            'up': 'nearest_conv',
            'act': 'tanh',
            'norm': ('batch', 'none'),
            'norm_stem': 'features',
            'norm_momentum': 0.99,
            'norm_eps': 1e-3,
            'weight_init': 'glorot',
            'bias': True,
            'out_bias': True,
        },
        d={
            'hidden': (256,),
            'widths': (64, 128),
            'strides': (4, 2),
            'kernel': 5,
            'padding': ('SAME', 'VALID'),
            'down': 'avgpool',
            'norm': 'none',
            'act': 'tanh',
            'weight_init': 'glorot',
            'bias': True,
            'out_bias': True,
        },
    )
    config.batch_size = 10
    config.duration = '1200st'
    config.loss.batching = 'one_batch'
    for optimiser in config.optim.values():
        optimiser.update({'name': 'sgd', 'lr': 5e-4, 'momentum': 0.9, 'nesterov': True})
    config.log.every = '30st'
    config.sample.update({'every': '30st', 'rows': 4, 'columns': 4, 'walk': 96})
    config.checkpoint.every = '300st'
    return config
