"""Compare two sets of images, or two certificates: python -m gan_jax.metrics --help."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from absl import logging as absl_logging

from gan_jax.errors import UserError

USAGE = """\
python -m gan_jax.metrics REAL FAKE [--metrics=fid,kid,prdc] [--features=inception] ...
python -m gan_jax.metrics compare A.json B.json

REAL and FAKE: a folder, zip or tar of images, a .npy or .npz, or a data set, NAME[:SPLIT]."""


class Parser(argparse.ArgumentParser):
    """Report mistakes as every other part of the package does."""

    def error(self, message: str) -> NoReturn:
        raise UserError(message)


def parser() -> Parser:
    """Return the parser of a comparison of two sets."""
    result = Parser(prog='gan_jax.metrics', usage=USAGE, allow_abbrev=False)
    add = result.add_argument
    add('real')
    add('fake')
    add('--metrics', default='fid', help='fid, kid, mmd2, prdc, is, swd, pyramid, fid-per-class,'
        ' label-accuracy, class-coverage, stacked')  # fmt: skip
    add('--features', default='inception', help='inception, inception768 or classifier')
    add('--resize', default='legacy', help='legacy (pytorch-fid), tf1 (torch-fidelity) or clean')
    add('--num', type=int, default=0, help='fake images, 0 for all')
    add('--num-real', type=int, default=0, help='real images, 0 for all')
    add('--seed', type=int, default=0)
    add('--repeats', type=int, default=1, help='draws, for a standard error over them')
    add('--batch-size', type=int, default=32)
    add('--k', type=int, default=0, help='neighbours of prdc; 0: 3 and 5')
    add('--subsets', type=int, default=100, help='of KID')
    add('--subset-size', type=int, default=1000, help='of KID')
    add('--splits', type=int, default=10, help='of the Inception Score')
    add('--weights', default='', help="a weights file, or a classifier's run folder")
    add('--data-dir', default='', help='where named data sets lie')
    add('--size', default='', help='bring images to this size first, by the data source')
    add('--range', default='[-1,1]', choices=('[-1,1]', '[0,1]'), help='what floats mean')
    add('--out', default='', help='write the certificates here, as JSON')
    return result


def evaluate(argv: Sequence[str]) -> None:
    """Measure, print one line per metric, and write or print the certificates."""
    flags = parser().parse_args(argv)
    # after the flags: --help need not wait for jax
    from gan_jax.metrics import certificate, features, sets
    from gan_jax.metrics.comparison import Protocol, compare_sets
    from gan_jax.metrics.evaluate import Options, check
    from gan_jax.runtime import process as machine

    machine.set_up()
    options = Options(flags.k, flags.subsets, flags.subset_size, flags.splits)
    protocol = Protocol(
        check(flags.metrics.split(',')), flags.num, flags.num_real, flags.seed, flags.repeats,
        flags.batch_size, options,
    )  # fmt: skip
    keys = {'path': flags.data_dir, 'size': flags.size, 'span': flags.range}
    real, fake = (sets.open_set(text, **keys) for text in (flags.real, flags.fake))
    extractor = features.make(flags.features, flags.resize, flags.weights)
    results = compare_sets(real, fake, extractor, protocol)
    if not flags.out:
        print(certificate.encode(results), end='')
        return
    certificate.write(flags.out, results)
    for result in results:
        error = result['standard_error']
        print(f'{result["metric"]} {result["value"]:.6g}', f'+- {error:.2g}' if error else '')


def compare(argv: Sequence[str]) -> None:
    """Print the difference of every metric that two files of certificates share."""
    from gan_jax.metrics import certificate

    if len(argv) != 2:
        raise UserError('compare takes two files of certificates')
    a, b = (certificate.read(path) for path in argv)
    shared = [name for name in a if name in b]
    if not shared:
        raise UserError(f'no metric in common: {", ".join(a)} and {", ".join(b)}')
    print(certificate.encode([certificate.compare(a[name], b[name]) for name in shared]), end='')


COMMANDS = {'compare': compare}


def main(argv: Sequence[str]) -> int:
    """Run a command line; return its exit status."""
    absl_logging.set_verbosity(absl_logging.ERROR)  # what libraries tell their own authors
    try:
        if argv and argv[0] in COMMANDS:
            COMMANDS[argv[0]](argv[1:])
        else:
            evaluate(argv)
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
