"""Show the latents of a run's encoder: a strip of reconstructions, a scatter and a manifold."""

import pathlib
from typing import Any

import jax.numpy as jnp
import numpy as np

from gan_jax import files, pictures
from gan_jax.core import keys
from gan_jax.training import inference, latents

OF_A_RUN = True
FLAGS = {
    'split': keys.text('', "Split whose examples are encoded; '' for that of training."),
    'num': keys.count(5000, 'Examples that are encoded, the first ones.', high=1_000_000),
    'columns': keys.count(10, 'Examples in the strip.', high=100),
    'side': keys.count(15, 'Rows and columns of the manifold.', high=100),
    'label': inference.FLAGS['label'],
    'member': inference.FLAGS['member'],
    'step': inference.FLAGS['step'],
    'out': keys.path('', 'Folder to write to; WORKDIR/latents by default.'),
}


def run(config: Any, workdir: pathlib.Path, flags: Any) -> None:
    """Write reconstructions.png, latents.npz, and of latents of two numbers the other pictures.

    Raises:
      UserError: no such run, checkpoint, split or class, or a model that encodes nothing.
    """
    found = latents.Latents.of(inference.load(workdir, flags.step, member=flags.member))
    trained = found.trained
    images, labels = found.read(flags.split, flags.num)
    encoded = found.encode(images)
    out = pathlib.Path(flags.out or workdir / 'latents')
    given = slice(0, flags.columns)
    own = labels[given] if trained.classes and labels is not None else None
    strip = np.stack([trained.final(jnp.asarray(images[given])), found.decode(encoded[given], own)])
    pictures.save_png(out / 'reconstructions.png', trained.kind.picture(strip, trained.field))
    save(out / 'latents.npz', encoded, labels)
    made = 'reconstructions.png and latents.npz'
    if encoded.shape[1] == 2:
        latents.scatter(encoded, labels, trained.spec.classes, out / 'scatter.png')
        manifold = found.lattice(flags.side, flags.label)
        pictures.save_png(out / 'manifold.png', trained.kind.picture(manifold, trained.field))
        made = f'{made}, scatter.png and manifold.png'
    print(f'{made} of {len(encoded)} examples, step {trained.step}, in {out}')


def save(path: pathlib.Path, encoded: np.ndarray, labels: np.ndarray | None) -> None:
    """Write latents [n, d] as `z`, and labels [n] where there are any."""
    arrays: dict[str, Any] = {'z': encoded} | ({} if labels is None else {'label': labels})
    with files.replacing(path) as temporary:
        np.savez(temporary, **arrays)
