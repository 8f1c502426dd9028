"""pix2pix from edges to the images that they are of: drawings become images (arXiv:1611.07004).

python launch.py --config=configs/pix2pix_edges.py --config.data.path=MY_IMAGES --workdir=runs/mine
python launch.py --mode=translate --workdir=runs/mine --input=drawing.png
python launch.py --config=configs/pix2pix_edges.py --config.data.path=celeba64.zip \
    --config.model.g.width=16 --config.model.d.width=16 --config.model.d.layers=2 \
    --config.batch_size=8 --config.duration=20ep --config.optim.g.lr.start=10ep \
    --config.optim.g.lr.stop=20ep --config.optim.d.lr.start=10ep --config.optim.d.lr.stop=20ep

MY_IMAGES is a folder, zip or tar of any images; they need no partners. Squares are cut from the
middle, of at most 128 pixels; other sizes: --config.data.size=256. The lines are Canny's edges,
black on white, one pixel wide; more of them: --config.data.sigma=1 --config.data.high=0.03. A
drawing is read as they are: black lines on white, thin, at about the size of training. The paper's
edges are of a network (HED), its procedure of edges without the enlarging of facades, four at a
time. The first command is for a GPU, the third for two CPU cores. Rows of the grid: edges, made
images, images. With a folder of test images, --config.eval.split=test measures the mean difference
of pixels on [-1, 1].

After 39,000 faces, ten minutes of one CPU core, they have eyes, hair and edges where the lines are,
in blotches, and a drawing of a face became one (docs/results.md); the rest was not run.
"""

from configs import cyclegan_folder, pix2pix_facades
from gan_jax.data import stores
from gan_jax.data.preparation import summary


def get_config():
    """Return the config; an empty size and 0 channels stand for what the data says."""
    config = pix2pix_facades.base('')
    config.data.update({'name': 'edges', 'path': ''})
    config.batch_size = 4
    config.eval.every = '5ep'
    return config


def complete(config):
    """Fill in what was left open, from a look at the first images."""
    stores.open_store(config.data.path)  # which says so where there is none
    cyclegan_folder.fit(config, summary.summary(config.data.path, config.data.split), 32)
