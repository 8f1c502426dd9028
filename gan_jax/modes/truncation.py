"""Draw precision against recall of a run's generator over psi."""

import math
import pathlib
from typing import Any

from gan_jax.core import keys
from gan_jax.core.assignments import split
from gan_jax.errors import UserError
from gan_jax.metrics import certificate
from gan_jax.modes import eval as evaluate
from gan_jax.training import truncation

OF_A_RUN = True
FLAGS = {
    'psis': keys.text('0.3,0.5,0.7,0.85,1', 'Values of psi.'),
    **{name: key for name, key in evaluate.CHANGES.items() if name != 'metrics'},
    **{name: evaluate.FLAGS[name] for name in ('step', 'member')},
    'out': keys.path('', 'Folder to write to; WORKDIR/truncation by default.'),
}


def run(config: Any, workdir: pathlib.Path, flags: Any) -> None:
    """Write truncation.png and the certificates of all points; print each.

    Raises:
      UserError: no such run or checkpoint, a model without w, or what the metric needs is missing.
    """
    given = {n: flags[n].value for n in evaluate.CHANGES if n in FLAGS and flags[n].present}
    points, found = truncation.curve(workdir, numbers(flags.psis), flags.step, given, flags.member)
    out = pathlib.Path(flags.out or workdir / 'truncation')
    truncation.draw(points, out / 'truncation.png')
    certificate.write(out / 'truncation.json', found)
    for point in points:
        print(f'psi {point.psi:g}: precision {point.precision:.4f}, recall {point.recall:.4f}')
    print(f'truncation.png and truncation.json in {out}')


def numbers(texts: str) -> list[float]:
    """Return the values of psi; raise UserError for what is no number."""
    found = []
    for text in split(texts):
        try:
            found.append(float(text))
        except ValueError:
            found.append(math.nan)
        if not math.isfinite(found[-1]):
            raise UserError(f'--psis={text} is not allowed: write numbers, as 0.5,0.7,1')
    return found
