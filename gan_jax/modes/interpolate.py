"""Write a walk through the latent space of a run's generator."""

import pathlib
from typing import Any

from gan_jax.core import keys
from gan_jax.core.assignments import assignments
from gan_jax.training import inference, walk

OF_A_RUN = True
FLAGS = {
    'num': keys.count(64, 'Number of frames.', high=100_000),
    'space': keys.text('', 'Latents that are joined, z or w; z by default.'),
    **inference.FLAGS,
    'out': keys.path('', 'Folder to write to; WORKDIR/interpolation by default.'),
}


def run(config: Any, workdir: pathlib.Path, flags: Any) -> None:
    """Write `num` frames as GIF, and as MP4 where the encoder is installed.

    Raises:
      UserError: no such run, checkpoint, space, class or option, or an algorithm without latents.
    """
    options = assignments(flags.options, '--options')
    trained = inference.load(workdir, flags.step, flags.maker, flags.member)
    out = pathlib.Path(flags.out or workdir / 'interpolation')
    how = {'seed': flags.seed, 'label': flags.label, 'space': flags.space, **options}
    made = walk.write(trained, out / 'interpolation', flags.num, **how)
    print(f'{made} of step {trained.step} in {out}')
