"""Networks: one file per architecture, found by name, built from the config's own keys."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import flax.linen as nn

from gan_jax import discovery
from gan_jax.core import keys, nodes
from gan_jax.errors import unknown

# What a config calls the parts of a model, and the classes that a model file defines for them.
PARTS = {
    'g': 'Generator',
    'd': 'Discriminator',
    'd_z': 'LatentDiscriminator',
    'encoder': 'Encoder',
    'decoder': 'Decoder',
    'classifier': 'Classifier',
}
# Fields that come from the data and from flax, not from a config.
GIVEN = ('shape', 'num_classes', 'compute_dtype', 'parent', 'name')
CLASSES = keys.count(0, 'Classes of a conditional model; 0 for none.', low=0)
HELP = 'Class of this part, as file.Class; empty for the one of model.name.'


def names() -> list[str]:
    """Return the names of all models."""
    return discovery.names(__name__)


def find(name: str) -> Any:
    """Return the module of a model; raise UserError with those available."""
    return discovery.find(__name__, name, 'model.name')


def networks(file: str) -> dict[str, type[nn.Module]]:
    """Return the networks that a model file defines, by 'file.Class': modules with a `shape`."""
    return _defined(find(file), file)


@functools.cache
def _defined(module: Any, file: str) -> dict[str, type[nn.Module]]:
    """Return the networks of a module; see `networks`."""
    return {
        f'{file}.{name}': cls
        for name, cls in vars(module).items()
        if isinstance(cls, type)
        and issubclass(cls, nn.Module)
        and cls.__module__ == module.__name__
        and any('__call__' in vars(parent) for parent in cls.__mro__)
        # what a block of layers is not told
        and any(f.name == 'shape' for f in dataclasses.fields(cls))
    }


def classes() -> list[str]:
    """Return the names of all networks, as 'file.Class', and '' for that of model.name."""
    return ['', *(name for file in names() for name in networks(file))]


def network(model: str, part: str, name: str = '') -> type[nn.Module]:
    """Return the class of a part: the one named 'file.Class', or the own one of a model.

    Raises:
      UserError: there is no such model, or it has no such part.
    """
    name = name or f'{model}.{PARTS.get(part, part)}'
    found = networks(name.partition('.')[0])
    if name not in found:
        raise unknown(f'model.{part}.name', name, filter(None, classes()))
    return found[name]


def declare(model: str, *parts: str, **own: keys.Key) -> nodes.Named:
    """Return the declaration of config.model: its name, parts, and keys that the algorithm reads.

    model: the name where a config gives none.
    """

    def of_part(name: str, part: str, which: str) -> dict[str, keys.Key]:
        return keys.of(network(name, part, which), but=GIVEN)

    def of_model(name: str) -> dict[str, Any]:
        found = {
            part: nodes.Named('', classes, functools.partial(of_part, name, part), HELP)
            for part in parts
        }
        return {'classes': CLASSES, **own, **found}

    return nodes.Named(model, names, of_model, 'Model whose parts are used.')


def node(name: str = '', **values: Any) -> dict[str, Any]:
    """Return config.model: the parts' own fields with their defaults, so that any can be set.

    `values` holds for each part (g, d, encoder, decoder, classifier) the fields that differ, or the
    class that it is, as 'file.Class', or both with the class under 'name'; and what the algorithm
    reads (prior, classes). Without a name, the first part's file is the model.

    Raises:
      UserError: there is no such part, or it has no such field.
    """
    parts = {
        part: {'name': value} if isinstance(value, str) else dict(value)
        for part, value in values.items()
        if part in PARTS
    }
    name = name or next(iter(parts.values()))['name'].partition('.')[0]
    rest = {key: value for key, value in values.items() if key not in PARTS}
    found = {'name': name, **rest, **parts}
    own = dict.fromkeys(rest, keys.Key(None, 'any', ''))
    declared = declare(name, *parts, **own)
    nodes.check(declared, found, 'model.')
    return nodes.fill(declared, found)


def fields(cls: type[nn.Module], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a module's config keys with their defaults, overridden by what is given."""
    return {**nodes.defaults(keys.of(cls, but=GIVEN)), **given}


def build(
    config: Mapping[str, Any], part: str, shape: tuple[int, int, int], precision: str = 'float32'
) -> Any:
    """Build one part of config.model for images of a shape (H, W, C), and check that it fits.

    precision: the type of activations, 'float32' or 'bfloat16'.

    Raises:
      UserError: a value that the part cannot take, or that makes no network.
    """
    own = {k: tuple(v) if isinstance(v, list) else v for k, v in config[part].items()}
    cls = network(config['name'], part, str(own.pop('name', '')))
    nodes.check(keys.of(cls, but=GIVEN), own, f'model.{part}.')
    given = {'shape': tuple(shape), 'num_classes': config['classes'], 'compute_dtype': precision}
    module = cls(**own, **given)
    module.check()
    return module
