"""Train a GAN, or use one: python launch.py --config=configs/NAME.py [--workdir=DIR]."""

import sys

from gan_jax import cli
from gan_jax.errors import UserError, printable
from gan_jax.runtime import parallel, process
from gan_jax.training.workdir import Interrupted


def main(argv: list[str]) -> None:
    """Parse the command line and run its mode.

    Raises:
      UserError: the command line, or what it asks for, is wrong.
      Interrupted: a signal stopped training; everything is saved.
    """
    asked = cli.help_text(argv)
    if asked:
        print(__doc__, asked, sep='\n\n')
        return
    mode, config, workdir, flags = cli.parse(argv)
    process.set_up(bool(config and config.deterministic))
    parallel.start(flags.coordinator, flags.num_processes, flags.process_id)
    mode.run(config, workdir, flags)


def launch(argv: list[str]) -> int:
    """Run `main`; print what a user has to know of a failure in one line, and return the status."""
    try:
        main(argv)
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    except OSError as error:
        what = f' {error.filename}' if error.filename else ''
        print(printable(f'error: {error.strerror or error}{what}'), file=sys.stderr)
        return 2
    except Interrupted as stop:
        print(printable(stop), file=sys.stderr)
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
