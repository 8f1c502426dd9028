"""Config files: found, loaded, given the parts that flags name, completed."""

import contextlib
import importlib.util
import pathlib
import sys
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

from ml_collections import ConfigDict

from gan_jax import config as configs
from gan_jax.core import allowed, keys, nodes
from gan_jax.errors import UserError, unknown

DEFAULT = 'configs/mlp_digits.py'
# Kinds of keys that can be schedules.
MOVING = ('value', 'moving duration')


def find(name: str) -> pathlib.Path:
    """Return the path of a config file.

    Raises:
      UserError: there is no such file.
    """
    path = pathlib.Path(name)
    if not path.is_file():
        folder = pathlib.Path(DEFAULT).parent
        raise unknown('config', name, sorted(str(p) for p in folder.glob('*.py')))
    _importable(path)
    return path


def prepare(path: pathlib.Path, given: Mapping[str, str]) -> Any:
    """Return the config of a file with the parts that flags, as text, name.

    Raises:
      UserError: names a key of the command line that nothing reads, and the nearest.
    """
    config = load(path)
    set_keys = {k.removeprefix('config.'): v for k, v in given.items() if k.startswith('config.')}
    # Outer names come first: model.name decides what model.g.name starts from.
    for key, value in sorted(set_keys.items(), key=lambda item: item[0].count('.')):
        parent, _, leaf = key.rpartition('.')
        declared = nodes.reach(configs.KEYS, config, parent) if parent else configs.KEYS
        if isinstance(declared, keys.Key) and declared.kind in MOVING and leaf in allowed.SCHEDULE:
            _schedule(config, parent)
            continue
        named = isinstance(declared, nodes.Named) and declared.key == leaf
        if named and configs.node(config, key) != value:
            nodes.rename(configs.KEYS, config, key, value)
        elif nodes.reach(configs.KEYS, config, key) is None:
            raise nodes.unknown_key(configs.KEYS, config, key)
    return config


def _schedule(config: Any, key: str) -> None:
    """Let a number of the config be a schedule, whose keys can then be set."""
    parent_key, _, leaf = key.rpartition('.')
    parent = configs.node(config, parent_key)
    if not allowed.nested(parent[leaf]):
        ends = {'first': parent[leaf], 'final': parent[leaf]}
        with parent.ignore_type():
            parent[leaf] = {**ends, 'start': '0img', 'stop': '0img', 'shape': 'linear'}


def load(path: pathlib.Path) -> Any:
    """Return the config that a config file makes, with the defaults of what it leaves open.

    Raises:
      UserError: names the file, and what its code does not do.
    """
    module = _module(path)
    if not hasattr(module, 'get_config'):
        raise UserError(f'{path} has no function get_config')
    with running(path):
        config = module.get_config()
    if not isinstance(config, ConfigDict):
        raise UserError(
            f'{path}: get_config returns a {type(config).__name__}, and not a ConfigDict, as '
            'gan_jax.config.base() does'
        )
    return configs.settle(config)


def complete(path: pathlib.Path, config: Any) -> None:
    """Let a config file fill in what depends on keys that the command line has set.

    A file that needs this has a function `complete(config)`.
    """
    fill = getattr(_module(path), 'complete', None)
    if fill is not None:
        with running(path):
            fill(config)


@contextlib.contextmanager
def running(path: pathlib.Path) -> Iterator[None]:
    """Turn what the code of a config file raises into one line, with the place in the file.

    Raises:
      UserError: names the file, the line and the error.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        own = str(path.absolute())
        places = [(f.filename, f.lineno) for f in traceback.extract_tb(error.__traceback__)]
        if isinstance(error, SyntaxError):
            places.append((str(error.filename), error.lineno))
        line = next((f':{line}' for file, line in reversed(places) if file == own), '')
        said = ' '.join(str(error).split())
        raise UserError(f'{path}{line}: {type(error).__name__}: {said}') from error


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
    with running(path):
        spec.loader.exec_module(module)
    return module
