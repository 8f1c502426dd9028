"""What launch.py does: it finds the config, refuses what is misspelt, and runs a mode."""

import importlib.util
import itertools
import logging
import pathlib
import sys
from collections.abc import Callable
from typing import Any

from absl import flags
from absl import logging as absl_logging

from gan_jax import config as configs
from gan_jax.core import keys
from gan_jax.errors import UserError, nearest
from gan_jax.metrics import options
from gan_jax.runtime import parallel
from gan_jax.runtime import process as machine

DEFAULT = 'configs/mlp_digits.py'


def config_path(argv: list[str]) -> pathlib.Path:
    """Return the config file that a command line names, or the default one.

    Raises:
      UserError: there is no such file.
    """
    values = {f.lstrip('-'): v for f, _, v in (a.partition('=') for a in argv)}
    following = dict(itertools.pairwise(argv))
    name = values.get('config') or following.get('--config') or DEFAULT
    path = pathlib.Path(name)
    if not path.is_file():
        folder = pathlib.Path(DEFAULT).parent
        there = sorted(str(p) for p in folder.glob('*.py'))
        raise UserError(
            f'no config {name!r}{nearest(name, there)}; there is: {", ".join(there) or "none"}'
        )
    _importable(path)
    return path


def check(argv: list[str], known: Any) -> None:
    """Refuse flags that do not exist, and keys that the config does not have.

    Raises:
      UserError: names the flag or key, and the nearest that there is.
    """
    names = [*known, 'config']
    keys = None
    for flag in (a.lstrip('-').partition('=')[0] for a in argv[1:] if a.startswith('--')):
        if flag.startswith('config.'):
            if keys is None:
                config = load(config_path(argv))
                keys = [*configs.flatten(config), *_inner(config)]
            key = flag.removeprefix('config.')
            if key not in keys:
                raise UserError(f'no key {key!r} in the config{_closest(key, keys)}')
        elif flag not in names and flag.removeprefix('no') not in names:
            raise UserError(f'no flag --{flag}{nearest(flag, names)}')


def load(path: pathlib.Path) -> Any:
    """Return the config that a config file makes."""
    return _module(path).get_config()


def complete(path: pathlib.Path, config: Any) -> None:
    """Let a config file fill in what depends on keys that the command line has set.

    A file that needs this has a function `complete(config)`.
    """
    fill = getattr(_module(path), 'complete', None)
    if fill is not None:
        fill(config)


def _importable(path: pathlib.Path) -> None:
    """Let a derived config import its parent as configs.NAME, whichever program was started."""
    root = str(path.resolve().parent.parent)
    if root not in sys.path:
        sys.path.append(root)


def _module(path: pathlib.Path) -> Any:
    _importable(path)
    spec = importlib.util.spec_from_file_location(f'config_{path.stem}', path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _inner(config: Any, prefix: str = '') -> list[str]:
    """Return the dotted keys of a config that hold other keys."""
    nodes = [k for k, v in config.items() if isinstance(v, configs.ConfigDict)]
    return [prefix + k for k in nodes] + [
        key for k in nodes for key in _inner(config[k], f'{prefix}{k}.')
    ]


def _closest(key: str, keys: list[str]) -> str:
    """Return a hint at the nearest key, by its whole dotted name or by its last part."""
    last = {k.rpartition('.')[2]: k for k in reversed(keys)}
    hint = nearest(key, keys)
    if not hint:
        found = nearest(key.rpartition('.')[2], last)
        hint = next(
            (f" (did you mean '{full}'?)" for k, full in last.items() if f"'{k}'" in found), ''
        )
    return hint


def set_up_logging() -> None:
    """Print warnings as one line each, and nothing that libraries print for their own authors.

    Orbax logs, at length, errors that it also raises; its reader of damaged files leaves calls to
    an event loop that is gone.
    """
    # By force: some library has set it up when it was imported.
    logging.basicConfig(format='%(levelname)s: %(message)s', level=logging.WARNING, force=True)
    absl_logging.set_verbosity(absl_logging.FATAL)
    usual = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if str(unraisable.exc_value) != 'Event loop is closed':
            usual(unraisable)

    sys.unraisablehook = hook


def run(mode: str, config: Any, workdir: pathlib.Path, flags: Any) -> None:
    """Run a mode.

    Raises:
      UserError: there is no such mode, or what it needs is wrong or missing.
    """
    configs.one_of('mode', mode, MODES)
    machine.set_up(config.deterministic)
    parallel.start(flags.coordinator, flags.num_processes, flags.process_id)
    MODES[mode](config, workdir, flags)


def _train(config: Any, workdir: pathlib.Path, flags: Any) -> None:
    from gan_jax.train import train

    train(config, workdir, profile=flags.profile)


def _sample(config: Any, workdir: pathlib.Path, flags: Any) -> None:
    from gan_jax.modes import inference

    trained = inference.load(workdir, flags.step)
    out = pathlib.Path(flags.out or workdir / 'generated')
    inference.write_samples(trained, out, flags.num or 64, flags.seed, flags.label)


def _interpolate(config: Any, workdir: pathlib.Path, flags: Any) -> None:
    from gan_jax.modes import inference

    trained = inference.load(workdir, flags.step)
    out = pathlib.Path(flags.out or workdir / 'interpolation')
    inference.write_interpolation(trained, out, flags.num or 64, flags.seed, flags.label)


def _eval(config: Any, workdir: pathlib.Path, flags: Any) -> None:
    from gan_jax.metrics import certificate
    from gan_jax.modes import evaluation

    names = (name for name, _ in keys.flat(options.of_a_run()))
    changes = {name: flags[name].value for name in names if flags[name].present}
    out = pathlib.Path(flags.out) if flags.out else None
    for found in evaluation.evaluate_run(workdir, flags.step, changes, out):
        print(certificate.line(found))


def _dryrun(config: Any, workdir: pathlib.Path, flags: Any) -> None:
    from gan_jax.modes import dryrun

    dryrun.show(config, shape=flags.shape, rate=flags.rate)


MODES: dict[str, Callable[..., None]] = {
    'train': _train,
    'dryrun': _dryrun,
    'sample': _sample,
    'interpolate': _interpolate,
    'eval': _eval,
}


# Modes that start from the config; the others take that of the run in the workdir.
OF_A_CONFIG = ('train', 'dryrun')


def define() -> flags.FlagValues:
    """Return the flags of the command line, with none of those that libraries define."""
    values = flags.FlagValues()
    to: Any = {'flag_values': values}
    folder = 'Folder of the run; runs/<name of the config> by default.'
    flags.DEFINE_string('workdir', None, folder, **to)
    flags.DEFINE_string('mode', 'train', f'What to do: {", ".join(MODES)}.', **to)
    flags.DEFINE_integer('num', None, 'sample, eval: of images; interpolate: of frames.', 1, **to)
    flags.DEFINE_integer('seed', 0, 'sample, interpolate, eval: seed of the codes.', 0, **to)
    flags.DEFINE_integer('label', None, 'sample, interpolate: class of the images.', 0, **to)
    flags.DEFINE_integer(
        'step', None, 'sample, interpolate, eval: step of the checkpoint.', 0, **to
    )
    flags.DEFINE_string('out', None, 'sample, interpolate: folder to write to; eval: file.', **to)
    for name, key in keys.flat(options.of_a_run()):
        if name not in values:
            flags.DEFINE_string(name, None, f'eval: {key.help}', **to)
    flags.DEFINE_string('profile', '', 'train: START:STOP, steps to trace.', **to)
    flags.DEFINE_string('shape', '', 'dryrun: [Nx]HxWxC of images; else the data is opened.', **to)
    flags.DEFINE_float('rate', None, 'dryrun: images per second; else they are measured.', 0, **to)
    flags.DEFINE_string('coordinator', None, 'Several processes: host:port of the first.', **to)
    flags.DEFINE_integer('num_processes', None, 'Several processes: how many.', 1, **to)
    flags.DEFINE_integer('process_id', None, 'Several processes: which, from 0.', 0, **to)
    flags.DEFINE_boolean('help', False, 'Show this text.', **to)
    return values
