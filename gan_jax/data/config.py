"""config.data: its keys and defaults, and the way from a config to an open source."""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from typing import Any

from gan_jax import errors
from gan_jax.data import audit, sources

# what concerns the pipeline, not the source; and dataset, which stays behind in a config of a
# named data set when another source is asked for on the command line
PIPELINE = (
    'name',
    'dataset',
    'transforms',
    'range',
    'dequantise',
    'resident_mb',
    'workers',
    'threads',
    'on_error',
)


def defaults() -> dict[str, Any]:
    """Return every key of config.data with its default value; docs/data.md explains them."""
    return {
        'name': 'digits',
        'path': '',
        'dataset': '',
        'split': '',
        'size': '',
        'crop': 'center',
        'resize': 'lanczos',
        'channels': 0,
        'background': 'white',
        'labels': 'auto',
        'column': '',
        'fields': '',
        'direction': 'AtoB',
        'on_error': 'raise',
        'transforms': '',
        'range': '[-1,1]',
        'dequantise': False,
        'resident_mb': 1024,
        'workers': 0,
        'threads': 0,
    }


def names() -> list[str]:
    """Return the names of all sources: the modules of `gan_jax.data.sources`."""
    return sorted(module.name for module in pkgutil.iter_modules(sources.__path__))


def module(name: str) -> Any:
    """Return the module of the source of a name; raises UserError for unknown names."""
    if name not in names():
        raise errors.unknown('data source config.data.name', name, names())
    return importlib.import_module(f'gan_jax.data.sources.{name}')


def count(config: Mapping[str, Any]) -> int:
    """Return the number of examples that config.data has, without downloading any.

    A source that could download has a function `count` of its own.

    Raises:
      UserError: the data is not there.
    """
    own = getattr(module(config['name']), 'count', None)
    return own(config) if own else len(open_source(config))


def open_source(config: Mapping[str, Any]) -> Any:
    """Open the source that config.data names, with those of its keys that the source takes.

    Raises UserError for an unknown name, and for a key that is set although the source has no
    use for it.
    """
    name = config['name']
    source = module(name).Source
    taken = inspect.signature(source).parameters
    for key, default in defaults().items():
        if key not in taken and key not in PIPELINE and config.get(key, default) != default:
            raise errors.UserError(
                f"config.data.{key}={config[key]!r} means nothing to the source '{name}'; "
                f'leave it at {default!r}'
            )
    opened = source(**{key: config[key] for key in taken if key in config})
    if unread := getattr(opened, 'unread', ()):
        audit.warn(
            f'not read of {config["dataset"] or config["path"]}: {", ".join(unread)}; '
            '--config.data.fields=all reads all that are numbers'
        )
    return opened
