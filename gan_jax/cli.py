"""The command line: the flags of a mode, a config file and keys of it; others are refused."""

import itertools
import logging
import pathlib
import sys
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any, NamedTuple

from absl import flags
from absl import logging as absl_logging
from ml_collections import config_flags

from gan_jax import config as configs
from gan_jax import config_file, modes, reference
from gan_jax.core import keys, nodes
from gan_jax.errors import UserError, printable, unknown

# Flags that every mode reads.
COMMON: dict[str, keys.Key] = {
    'config': keys.path(
        config_file.DEFAULT, 'Config file; --config.KEY=VALUE sets one of its keys.'
    ),
    'mode': keys.choice('train', modes.names, 'What to do.'),
    'workdir': keys.path('', 'Folder of the run; runs/<name of the config> by default.'),
    'coordinator': keys.Key(None, 'text', 'Several processes: host:port of the first.'),
    'num_processes': keys.count(None, 'Several processes: how many.'),
    'process_id': keys.count(None, 'Several processes: which, from 0.', low=0),
    'help': keys.text('', 'Show the flags of a mode; --help=KEY: keys of the config.'),
}
DEFINE: dict[str, Callable[..., Any]] = {
    'count': flags.DEFINE_integer,
    'number': flags.DEFINE_float,
    'names': flags.DEFINE_list,
    'flag': flags.DEFINE_boolean,
}


class Command(NamedTuple):
    """Hold a parsed command line; a mode that takes the config of a run has none here."""

    mode: ModuleType
    config: Any
    workdir: pathlib.Path
    flags: flags.FlagValues


def parse(argv: list[str], mode: ModuleType | None = None) -> Command:
    """Return what a command line asks for, of the mode that it names or of the one given.

    Raises:
      UserError: what is not a flag or key, or one that the mode does not read.
    """
    given = dict(split(argv[1:]))
    mode = mode or modes.find(given.get('mode', COMMON['mode'].default))
    check(given, mode)
    path = None
    if not (mode.OF_A_RUN and given.get('workdir')):
        path = config_file.find(given.get('config', config_file.DEFAULT))
    declared = {**COMMON, **mode.FLAGS}
    values = define(declared)
    if path and not mode.OF_A_RUN:
        delattr(values, 'config')
        argv = without_config(argv)
        config = config_file.prepare(path, given)
        config_flags.DEFINE_config_dict('config', config, flag_values=values, sys_argv=argv)
    try:
        rest = values(argv)
    except flags.Error as error:
        raise UserError(str(error).replace('\n', ' ')) from error
    if len(rest) > 1:
        raise UserError(f'{rest[1]!r} is not a flag: write --name=value')
    nodes.check(declared, given_flags(values, declared), '--')
    if path and not mode.OF_A_RUN:
        split_names(values.config)
        config_file.complete(path, values.config)
    workdir = pathlib.Path(values.workdir or f'runs/{path.stem if path else ""}')
    return Command(mode, None if mode.OF_A_RUN else values.config, workdir, values)


def given_flags(values: flags.FlagValues, declared: Mapping[str, keys.Key]) -> dict[str, Any]:
    """Return the declared flags that a command line sets, but the config, with their values."""
    return {
        name: values[name].value for name in declared if name in values and values[name].present
    }


def split_names(config: Any) -> None:
    """Make several names of one text with commas, which is how a command line gives them."""
    for name, key in nodes.flat(configs.KEYS, config):
        if key.kind == 'names':
            texts = configs.node(config, name)
            found = tuple(part for text in texts for part in str(text).split(',') if part)
            config.update_from_flattened_dict({name: found})


def without_config(argv: list[str]) -> list[str]:
    """Return a command line without the config's file, whose keys are flags by now."""
    before = ['', *argv]
    return [
        arg
        for arg, one_before in zip(argv, before, strict=False)
        if not arg.startswith('--config=') and '--config' not in (arg, one_before)
    ]


def help_text(argv: list[str]) -> str:
    """Return what a command line asks to be shown: flags, or keys of the config; '' for nothing.

    Raises:
      UserError: there is no such mode or key.
    """
    given = dict(split(argv[1:]))
    if 'help' not in given:
        return ''
    mode = modes.find(given.get('mode', COMMON['mode'].default))
    if '--help' in argv:
        return '\n'.join([str(mode.__doc__), *reference.lines({**COMMON, **mode.FLAGS}, '--')])
    config = config_file.prepare(config_file.find(given.get('config', config_file.DEFAULT)), given)
    wanted = given['help'].removeprefix('config.')
    found = {
        name: key
        for name, key in nodes.flat(configs.KEYS, config)
        if name == wanted or name.startswith(f'{wanted}.')
    }
    if not found:
        raise nodes.unknown_key(configs.KEYS, config, wanted)
    return '\n'.join(reference.lines(found, '--config.'))


def split(argv: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (name, value as text) of each flag of a command line."""
    for flag, following in itertools.zip_longest(argv, argv[1:], fillvalue=''):
        name, equals, value = flag.partition('=')
        if flag.startswith('--'):
            yield (
                name.removeprefix('--').replace('noconfig.', 'config.'),
                value if equals else following,
            )


def check(given: Mapping[str, str], mode: ModuleType) -> None:
    """Refuse flags that a mode does not read.

    Raises:
      UserError: names the flag, and the nearest or the modes that read it.
    """
    name = mode.__name__.rpartition('.')[2]
    known = [*COMMON, *mode.FLAGS]
    for flag in given:
        if flag.startswith('config.'):
            if mode.OF_A_RUN:
                raise UserError(
                    f'--{flag} is not read by --mode={name}, which takes the config of the run in '
                    'the workdir'
                )
        elif flag not in known and flag.removeprefix('no') not in known:
            readers = [other for other in modes.names() if flag in modes.find(other).FLAGS]
            if readers:
                raise UserError(
                    f'--{flag} is not read by --mode={name}, but by {", ".join(readers)}'
                )
            raise unknown('flag', f'--{flag}', [f'--{flag}' for flag in known])


def define(declared: Mapping[str, keys.Key]) -> flags.FlagValues:
    """Return the flags that are declared, with none of those that libraries define."""
    values = flags.FlagValues()
    for name, key in declared.items():
        define_one = DEFINE.get(key.kind, flags.DEFINE_string)
        define_one(name, key.default, key.help, flag_values=values)
    return values


class OneLine(logging.Formatter):
    """Escape the control characters of what is logged; names of files may hold some."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line."""
        return printable(super().format(record))


def set_up_logging() -> None:
    """Print warnings as one line each, and nothing that libraries print for their own authors.

    Orbax logs, at length, errors that it also raises; its reader of damaged files leaves calls to
    an event loop that is gone, and tasks whose errors nobody asked for beside the one it raises.
    """
    # By force: some library has set it up when it was imported.
    logging.basicConfig(level=logging.WARNING, force=True)
    logging.getLogger().handlers[0].setFormatter(OneLine('%(levelname)s: %(message)s'))
    absl_logging.set_verbosity(absl_logging.FATAL)
    logging.getLogger('asyncio').setLevel(logging.CRITICAL)
    usual = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if str(unraisable.exc_value) != 'Event loop is closed':
            usual(unraisable)

    sys.unraisablehook = hook
