"""config.data: the keys of all sources, and the way from a config to an open source."""

from collections.abc import Mapping
from typing import Any

from gan_jax import discovery
from gan_jax.core import keys, nodes
from gan_jax.data import geometry
from gan_jax.data.few_labels import few_labels
from gan_jax.data.keys import GEOMETRY, PIPELINE
from gan_jax.data.preparation import audit
from gan_jax.errors import UserError

PACKAGE = 'gan_jax.data.sources'


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
    if config.get('labelled') and not config['unlabelled']:
        return config['labelled']
    counted = getattr(module(config['name']), 'count', None)
    return counted(config) if counted else len(open_source(config))


KEYS = nodes.Named(
    'digits', names, lambda name: {**module(name).KEYS, **PIPELINE}, 'Source of the data.'
)


def declared() -> dict[str, keys.Key]:
    """Return the keys of all sources, each as the first source declares it."""
    return {key: k for name in reversed(names()) for key, k in module(name).KEYS.items()}


def defaults() -> dict[str, Any]:
    """Return every key of config.data with its default value; docs/data.md explains them."""
    return {'name': 'digits', **nodes.defaults({**declared(), **PIPELINE})}


def open_source(config: Mapping[str, Any]) -> Any:
    """Open the source that config.data names, with those of its keys that the source takes.

    Raises UserError for an unknown name, and for a key that is set although the source has no
    use for it.
    """
    name = config['name']
    source = module(name)
    for key, other in declared().items():
        read = key in source.KEYS or key in PIPELINE
        if not read and config.get(key, other.default) != other.default:
            raise UserError(
                f"config.data.{key}={config[key]!r} means nothing to the source '{name}'; "
                f'leave it at {other.default!r}'
            )
    given = {key: config[key] for key in source.KEYS if key in config}
    shape = {key: given.pop(key) for key in GEOMETRY if key in given}
    if GEOMETRY.keys() & source.KEYS.keys():
        given['fit'] = geometry.make(**shape)
    opened = source.Source(**given)
    if unread := getattr(opened, 'unread', ()):
        audit.warn(
            f'not read of {config.get("dataset") or config["path"]}: {", ".join(unread)}; '
            '--config.data.fields=all reads all that are numbers'
        )
    if labelled := config.get('labelled'):
        return few_labels(opened, labelled, config['labelled_draw'], config['unlabelled'])
    return opened


def open_split(config: Mapping[str, Any], split: str) -> Any:
    """Open another split of config.data, with all its labels; raises as `open_source` does."""
    return open_source({**config, 'split': split, 'labelled': 0})
