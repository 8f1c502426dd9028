"""python -m gan_jax.pretrained FILE OUT: make a run of a published StyleGAN2; docs/pretrained.md.

FILE: a network.pkl of StyleGAN2-ADA or StyleGAN3 for PyTorch, of which nothing is executed, or a
state dict in .npz or .safetensors. OUT: the folder to write, for --mode=sample, interpolate and
eval, and for --config.init=OUT.
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from absl import logging as absl_logging

from gan_jax.errors import UserError
from gan_jax.pretrained import folder, reading
from gan_jax.runtime import process


class Parser(argparse.ArgumentParser):
    """Report mistakes as every other part of the package does."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message)


def parser() -> Parser:
    """Return the parser of the command."""
    result = Parser(
        prog='python -m gan_jax.pretrained', description=__doc__, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    result.add_argument('file', type=pathlib.Path, metavar='FILE')
    result.add_argument('out', type=pathlib.Path, metavar='OUT')
    text = 'a folder, zip or tar of images that metrics compare with'
    result.add_argument('--data', default='', metavar='PATH', help=text)
    return result


def flags_of(config: Any) -> str:
    """Return the flags that give another config the same networks."""
    node = config.model
    found = {'classes': node.classes}
    for part in ('g', 'd'):
        found |= {f'{part}.{key}': value for key, value in node[part].items() if key != 'name'}
    return ' '.join(f'--config.model.{key}={value}' for key, value in found.items())


def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    absl_logging.set_verbosity(absl_logging.ERROR)  # what libraries tell their own authors
    try:
        given = parser().parse_args(argv)
        process.set_up()
        config = folder.write(reading.read(given.file), given.out, given.data)
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(f'{given.file} is the run {given.out}; to train it further on your images:')
    print(f'python launch.py --config=configs/stylegan2_folder.py --config.data.path=IMAGES '
          f'--config.init={given.out} {flags_of(config)}')  # fmt: skip
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
