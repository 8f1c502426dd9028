"""config.data: its keys, declared, and the way from a config to an open source."""

import inspect
from collections.abc import Mapping
from typing import Any

from gan_jax import discovery
from gan_jax.core import keys, nodes
from gan_jax.data import audit, geometry
from gan_jax.errors import UserError

PACKAGE = 'gan_jax.data.sources'
RANGES = ('[-1,1]', '[0,1]')

# Keys that the pipeline reads, whatever the source.
PIPELINE: dict[str, keys.Key] = {
    'on_error': keys.choice('raise', ('raise', 'skip'), 'What is done about bad examples.'),
    'transforms': keys.text('', "What is done to examples at random, such as 'flip,crop:56'."),
    'range': keys.choice('[-1,1]', RANGES, 'Values of the images that networks see.'),
    'dequantise': keys.flag(False, 'Add uniform noise of one level.'),
    'resident_mb': keys.count(
        1024, 'Sets up to this size in MiB live on the device.', low=0, learns=False
    ),
    'workers': keys.count(0, 'Processes that read ahead, for streamed sets.', low=0, learns=False),
    'threads': keys.count(
        0, 'Threads that read, here or in each worker; 0 for one a core.', low=0, learns=False
    ),
}
# Keys of sources: each has those that its constructor takes.
SOURCE: dict[str, keys.Key] = {
    'path': keys.path(
        '', 'File or folder of the data; its content is compared on resume.', learns=False
    ),
    'dataset': keys.text('', "Name of a data set, such as 'mnist'."),
    'split': keys.text('', "Part of the data, such as 'train' or 'train[:10%]'."),
    'size': keys.text('', "Size, '64' or '64x96' (height x width); empty for the images' own."),
    'crop': keys.text('center', "Part that is kept: 'center', 'none', or a box 'X,Y,W,H'."),
    'resize': keys.choice('lanczos', tuple(geometry.FILTERS), 'Filter that images are resized by.'),
    'channels': keys.count(
        0, "Channels: 1 gray, 3 RGB, 4 RGBA; 0 for the images' own.", low=0, high=4
    ),
    'background': keys.text('white', 'Colour that alpha is flattened on.'),
    'labels': keys.text('auto', "Where labels come from: 'auto', 'none', or the name of a CSV."),
    'column': keys.text('', 'Column of labels, or key of an .npz.'),
    'fields': keys.text('', "Further fields of an example that are read, or 'all'."),
    'direction': keys.choice('AtoB', ('AtoB', 'BtoA'), 'Which half of a pair is the input.'),
}


def names() -> list[str]:
    """Return the names of all sources: the modules of `gan_jax.data.sources`."""
    return discovery.names(PACKAGE)


def module(name: str) -> Any:
    """Return the module of the source of a name; raises UserError for unknown names."""
    return discovery.find(PACKAGE, name, 'data.name')


def count(config: Mapping[str, Any]) -> int:
    """Return the number of examples that config.data has, without downloading any.

    A source that could download has a function `count` of its own.

    Raises:
      UserError: the data is not there.
    """
    counted = getattr(module(config['name']), 'count', None)
    return counted(config) if counted else len(open_source(config))


def own(name: str) -> dict[str, keys.Key]:
    """Return the keys that a source takes: those of SOURCE, and what its file declares as KEYS."""
    taken = inspect.signature(module(name).Source).parameters
    common = {key: declared for key, declared in SOURCE.items() if key in taken}
    return {**common, **getattr(module(name), 'KEYS', {})}


KEYS = nodes.Named('digits', names, lambda name: {**own(name), **PIPELINE}, 'Source of the data.')


def defaults() -> dict[str, Any]:
    """Return every key of config.data with its default value; docs/data.md explains them."""
    return {'name': 'digits', **nodes.defaults({**SOURCE, **PIPELINE})}


def open_source(config: Mapping[str, Any]) -> Any:
    """Open the source that config.data names, with those of its keys that the source takes.

    Raises UserError for an unknown name, and for a key that is set although the source has no
    use for it.
    """
    name = config['name']
    taken = own(name)
    for key, declared in SOURCE.items():
        if key not in taken and config.get(key, declared.default) != declared.default:
            raise UserError(
                f"config.data.{key}={config[key]!r} means nothing to the source '{name}'; "
                f'leave it at {declared.default!r}'
            )
    opened = module(name).Source(**{key: config[key] for key in taken if key in config})
    if unread := getattr(opened, 'unread', ()):
        audit.warn(
            f'not read of {config.get("dataset") or config["path"]}: {", ".join(unread)}; '
            '--config.data.fields=all reads all that are numbers'
        )
    return opened
