"""python -m gan_jax.data prepare SRC DST ... and inspect SRC ...: see docs/data.md."""

import argparse
import pathlib
import signal
import sys
from typing import Any

from gan_jax.data import config
from gan_jax.data.preparation import showing, summary, write
from gan_jax.errors import UserError, printable

RECORDED = (
    'dataset', 'split', 'size', 'crop', 'resize', 'channels', 'background', 'labels', 'column',
    'direction', 'range',
)  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """Return the parser of the two commands; its defaults are those of config.data."""
    top = argparse.ArgumentParser(prog='python -m gan_jax.data', description=__doc__)
    commands = top.add_subparsers(dest='command', required=True)
    for name, text in (
        ('prepare', 'decode a set once into shards'),
        ('inspect', 'print what a set holds, and what is bad in it'),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument('src', help='a folder, archive or file, or a name of a data set')
        if name == 'prepare':
            command.add_argument('dst', help='the folder to write')
        keys = config.defaults()
        command.add_argument('--name', default='', help=f'one of {", ".join(config.names())}')
        for key in (*RECORDED, 'path', 'on_error'):
            default = keys[key]
            command.add_argument(f'--{key}', default=default, type=type(default))
        command.add_argument('--workers', default=0, type=int, help='processes that decode')
        command.add_argument('--threads', default=0, type=int, help='threads, 0 for all cores')
    return top


def data_config(args: argparse.Namespace) -> dict[str, Any]:
    """Return the config.data that a command line stands for."""
    keys = {k: v for k, v in vars(args).items() if k in config.defaults() and k != 'name'}
    if args.name in ('tfds', 'hf'):
        found = {'name': args.name, 'dataset': args.src}
    elif args.name:
        found = {'name': args.name, 'path': args.src}
    else:
        found = summary.guess(args.src)
    given = {'path': found.get('path', args.path), **found}
    return {**config.defaults(), **keys, **given}


def parts(source: Any) -> dict[str, Any]:
    """Return the sources to prepare, by the name of their folder below the target."""
    return getattr(source, 'streams', None) or {'': source}


def say(*lines: str) -> None:
    """Print lines, with what names of files may hold of control characters escaped."""
    print(*map(printable, lines), sep='\n')


def run_prepare(args: argparse.Namespace) -> None:
    """Prepare a set and say what was written."""
    keys = data_config(args)
    source = config.open_source(keys)
    request = {'source': args.src, 'name': keys['name'], **{k: keys[k] for k in RECORDED}}
    for folder, part in parts(source).items():
        target = pathlib.Path(args.dst) / folder
        manifest = write.write_shards(
            part, target, request, on_error=args.on_error, workers=args.workers,
            threads=args.threads,
        )  # fmt: skip
        say(f'{target}: {manifest["count"]} examples, digest {manifest["digest"]}')
    say(f'train on it: --config.data.name=prepared --config.data.path={args.dst}')


def run_inspect(args: argparse.Namespace) -> None:
    """Print the facts of a set; bad examples end it with an error only under on_error=raise."""
    keys = data_config(args)
    # what is bad is listed, whatever it is
    source = config.open_source({**keys, 'on_error': 'skip'})
    say(f'source     {keys["name"]} {args.src}')
    for folder, part in parts(source).items():
        facts = write.gather(part, args.workers, args.threads)
        lines = showing.describe(facts, part.spec, len(part))
        say(*([f'part       {folder}'] if folder else []), *lines)
    if keys['name'] == 'folder' and not args.size:
        found = summary.summary(args.src, args.split)
        say(f'suggested  --config.data.size={found.size} --config.data.channels={found.channels}')


def main(argv: list[str] | None = None) -> int:
    """Run a command; return the exit code."""
    args = parser().parse_args(argv)
    try:
        {'prepare': run_prepare, 'inspect': run_inspect}[args.command](args)
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print('interrupted; the same command goes on where it stopped', file=sys.stderr)
        return 128 + int(stop.args[0] if stop.args else signal.SIGINT)
    return 0


def terminated(signum: int, frame: Any) -> None:
    """Let SIGTERM end a command as Ctrl-C does: temporary files are cleared away."""
    del frame
    raise KeyboardInterrupt(signum)


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, terminated)
    sys.exit(main())
