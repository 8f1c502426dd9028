"""Compare two sets of images, or two certificates: python -m gan_jax.metrics --help."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from absl import logging as absl_logging

from gan_jax.core import nodes
from gan_jax.errors import UserError
from gan_jax.metrics import certificate, options, sets
from gan_jax.metrics.comparison import compare_sets
from gan_jax.metrics.features.protocol import LoadRun
from gan_jax.metrics.measurement import Protocol
from gan_jax.runtime import process

USAGE = """\
python -m gan_jax.metrics REAL FAKE [--metrics=fid,kid,prdc] [--features=inception] ...
python -m gan_jax.metrics compare A.json B.json

REAL and FAKE: a folder, zip or tar of images, a .npy or .npz, or a data set, NAME[:SPLIT].
--data.KEY=VALUE sets a key of config.data for both, --real.KEY and --fake.KEY for one."""


class Parser(argparse.ArgumentParser):
    """Report mistakes as every other part of the package does."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message)


def parser() -> Parser:
    """Return the parser of a comparison of two sets; flags that are not given are absent."""
    result = Parser(
        prog='gan_jax.metrics',
        usage=USAGE,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    add = result.add_argument
    add('real')
    add('fake')
    add('--out', default='', help='write the certificates here, as JSON')
    for name, key in nodes.flat(options.declared()):
        default = f' Default: {key.default}.' if key.default else ''
        add(f'--{name}', help=(key.help + default).replace('%', '%%'))
    for side in ('data', 'real', 'fake'):
        for name, default in sets.options().items():
            add(f'--{side}.{name}', type=type(default), help=argparse.SUPPRESS)
    return result


def evaluate(argv: Sequence[str], load_run: LoadRun) -> None:
    """Measure, print one line per metric, and write or print the certificates."""
    flags = vars(parser().parse_args(argv))
    names = dict(nodes.flat(options.declared()))
    given = {name: value for name, value in flags.items() if name in names}
    chosen = {**nodes.defaults(options.declared()), 'metrics': ('fid',)}
    merge(chosen, options.parse(given, options.declared()))
    process.set_up()
    protocol = Protocol.of(chosen)
    real, fake = (
        sets.open_set(flags[side], **of(flags, 'data') | of(flags, side))
        for side in ('real', 'fake')
    )
    extractor = protocol.extractor(chosen, load_run)
    results = compare_sets(real, fake, extractor, protocol)
    if not flags['out']:
        print(certificate.encode(results), end='')
        return
    certificate.write(flags['out'], results)
    for result in results:
        print(certificate.line(result))


def of(flags: Mapping[str, Any], side: str) -> dict[str, Any]:
    """Return the keys of config.data that one side is given."""
    prefix = f'{side}.'
    return {k.removeprefix(prefix): v for k, v in flags.items() if k.startswith(prefix)}


def merge(into: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Replace options by those that are given, node by node."""
    for name, value in given.items():
        if isinstance(value, Mapping):
            merge(into[name], value)
        else:
            into[name] = value


def compare(argv: Sequence[str]) -> None:
    """Print the difference of every metric that two files of certificates share."""
    if len(argv) != 2:
        raise UserError('compare takes two files of certificates')
    a, b = (certificate.read(path) for path in argv)
    shared = [name for name in a if name in b]
    if not shared:
        raise UserError(f'no metric in common: {", ".join(a)} and {", ".join(b)}')
    print(certificate.encode([certificate.compare(a[name], b[name]) for name in shared]), end='')


COMMANDS = {'compare': compare}


def main(argv: Sequence[str], load_run: LoadRun) -> int:
    """Run a command line; return its exit status."""
    absl_logging.set_verbosity(absl_logging.ERROR)  # what libraries tell their own authors
    try:
        if argv and argv[0] in COMMANDS:
            COMMANDS[argv[0]](argv[1:])
        else:
            evaluate(argv, load_run)
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    return 0
