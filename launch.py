"""Train a GAN, or use one: python launch.py --config=configs/NAME.py [--workdir=DIR]."""

import sys

from gan_jax.runtime import signals

if __name__ == '__main__':
    # Before jax is imported, which takes seconds.
    signals.catch()

from gan_jax import cli
from gan_jax.errors import UserError, printable
from gan_jax.runtime import cluster, peers, process


def main(argv: list[str]) -> None:
    """Parse the command line and run its mode.

    Raises:
      UserError: the command line, or what it asks for, is wrong.
      Interrupted: a signal came; what was trained is saved.
    """
    asked = cli.help_text(argv)
    if asked:
        print(__doc__, asked, sep='\n\n')
        return
    mode, config, workdir, flags = cli.parse(argv)
    process.set_up(bool(config and config.deterministic))
    if cluster.start(flags.coordinator, flags.num_processes, flags.process_id):
        peers.Watch()
    mode.run(config, workdir, flags)


def launch(argv: list[str]) -> int:
    """Run `main`; print what a user has to know of a failure in one line, and return the status."""
    try:
        main(argv)
    except signals.Interrupted as stop:
        print(printable(stop), file=sys.stderr)
        return 128 + stop.signum
    except Exception as error:
        if signals.came():
            # What a library made of the exception that the signal raised.
            print(signals.Interrupted(signals.came()), file=sys.stderr)
            return 128 + signals.came()
        if isinstance(error, UserError):
            print(f'error: {error}', file=sys.stderr)
        elif isinstance(error, OSError):
            what = f' {error.filename}' if error.filename else ''
            print(printable(f'error: {error.strerror or error}{what}'), file=sys.stderr)
        else:
            raise
        return 2
    return 0


if __name__ == '__main__':
    cli.set_up_logging()
    signals.unwind()
    signals.finish(launch(sys.argv))
