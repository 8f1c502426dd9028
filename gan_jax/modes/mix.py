"""Write a grid of mixed styles: rows give the coarse ones, columns the fine ones."""

import pathlib
from typing import Any

from gan_jax import pictures
from gan_jax.core import keys
from gan_jax.core.assignments import assignments
from gan_jax.training import inference, mixing

OF_A_RUN = True
FLAGS = {
    'rows': keys.count(4, 'Images whose first layers are used.', high=64),
    'columns': keys.count(6, 'Images whose other layers are used.', high=64),
    'crossover': keys.count(None, "First layer of the columns' styles; the middle by default."),
    **inference.FLAGS,
    'out': keys.path('', 'Folder to write to; WORKDIR/mixed by default.'),
}


def run(config: Any, workdir: pathlib.Path, flags: Any) -> None:
    """Write mixed.png, whose first row and column are the images that are mixed.

    Raises:
      UserError: no such run, checkpoint, class, option or layer, or a model without w.
    """
    options = assignments(flags.options, '--options')
    trained = inference.load(workdir, flags.step, flags.maker, flags.member)
    out = pathlib.Path(flags.out or workdir / 'mixed')
    sizes = flags.rows, flags.columns
    grid = mixing.mix(trained, *sizes, flags.crossover, flags.seed, flags.label, **options)
    pictures.save_png(out / 'mixed.png', trained.kind.picture(grid, trained.field))
    print(f'mixed.png of step {trained.step} in {out}')
