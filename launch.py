"""Train a GAN, or use one: python launch.py --config=configs/NAME.py [--workdir=DIR]."""

import pathlib
import sys

from absl import flags
from ml_collections import config_flags

from gan_jax import cli
from gan_jax.errors import UserError
from gan_jax.training.workdir import Interrupted


def main(argv: list[str]) -> None:
    """Parse the command line and run its mode.

    Raises:
      UserError: the command line, or what it asks for, is wrong.
      Interrupted: a signal stopped training; everything is saved.
    """
    # Keys of a config are refused before its name.
    argv = [argv[0], *sorted(argv[1:], key=lambda a: not a.startswith('--config='))]
    values = cli.define()
    cli.check(argv, values)
    path = cli.config_path(argv)
    config = config_flags.DEFINE_config_file(
        'config', str(path), 'What to train; --config.key=value sets a key.',
        flag_values=values, sys_argv=argv,
    )  # fmt: skip
    try:
        rest = values(argv)
    except flags.Error as error:
        raise UserError(str(error).replace('\n', ' ')) from error
    if len(rest) > 1:
        raise UserError(f'{rest[1]!r} is not a flag: write --name=value')
    if values.help:
        print(__doc__, values.get_help())
        return
    if values.mode in cli.OF_A_CONFIG:
        cli.complete(path, config.value)
    workdir = pathlib.Path(values.workdir or f'runs/{path.stem}')
    cli.run(values.mode, config.value, workdir, values)


def launch(argv: list[str]) -> int:
    """Run `main`; print what a user has to know of a failure in one line, and return the status."""
    try:
        main(argv)
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    except OSError as error:
        what = f' {error.filename}' if error.filename else ''
        print(f'error: {error.strerror or error}{what}', file=sys.stderr)
        return 2
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        return 128 + stop.signum
    except KeyboardInterrupt:
        print('stopped before anything was to be saved', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    cli.set_up_logging()
    status = launch(sys.argv)
    sys.stdout.flush()
    sys.exit(status)
