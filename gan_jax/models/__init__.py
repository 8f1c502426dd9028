"""Networks: one file per architecture, found by name, built from the config's own keys."""

import dataclasses
import importlib
import pkgutil
import types
import typing
from collections.abc import Mapping
from typing import Any

import flax.linen as nn

from gan_jax.errors import UserError, nearest

# What a config calls the parts of a model, and the classes that a model file defines for them.
PARTS = {
    'g': 'Generator',
    'd': 'Discriminator',
    'encoder': 'Encoder',
    'decoder': 'Decoder',
    'classifier': 'Classifier',
}
# Fields that come from the data and from flax, not from a config.
GIVEN = ('shape', 'num_classes', 'compute_dtype', 'parent', 'name')


def names() -> list[str]:
    """Return the names of all models."""
    return [module.name for module in pkgutil.iter_modules(__path__)]


def find(name: str) -> Any:
    """Return the module of a model; raise UserError with the names there are."""
    if name not in names():
        there = ', '.join(names())
        raise UserError(
            f'model.name={name!r} is not known{nearest(name, names())}; there is: {there}'
        )
    return importlib.import_module(f'gan_jax.models.{name}')


def node(name: str, **values: Any) -> dict[str, Any]:
    """Return config.model: the parts' own fields with their defaults, so that any can be set.

    `values` holds the fields that differ by part (g=..., d=..., encoder=..., decoder=...), and
    what the algorithm reads (z_dim, prior, classes).

    Raises:
      UserError: a part has no such field.
    """
    module = find(name)
    parts = {k: fields(getattr(module, PARTS[k]), v) for k, v in values.items() if k in PARTS}
    rest = {k: v for k, v in values.items() if k not in PARTS}
    return {'name': name, 'classes': 0, **rest, **parts}


def fields(cls: type[nn.Module], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a module's config keys with their defaults, overridden by what is given."""
    own = {f.name: f.default for f in dataclasses.fields(cls) if f.init and f.name not in GIVEN}
    for key in given:
        if key not in own:
            what = f'{cls.__module__.rpartition(".")[2]}.{cls.__name__}'
            raise UserError(
                f'{what} has no field {key!r}{nearest(key, own)}; there is: {", ".join(own)}'
            )
    return {**own, **given}


def build(
    config: Mapping[str, Any], part: str, shape: tuple[int, int, int], precision: str = 'float32'
) -> Any:
    """Build one part of config.model for images of a shape (H, W, C), and check that it fits.

    Raises UserError for a value of a type that the part cannot take, or that makes no network.
    precision: the type of activations, 'float32' or 'bfloat16'.
    """
    cls = getattr(find(config['name']), PARTS[part])
    kwargs = {k: tuple(v) if isinstance(v, list) else v for k, v in config[part].items()}
    for key, kind in ((f.name, f.type) for f in dataclasses.fields(cls) if f.name in kwargs):
        if not fits(kwargs[key], kind):
            must = kind.__name__ if type(kind) is type else kind
            raise UserError(f'model.{part}.{key}={kwargs[key]!r} is not allowed: it must be {must}')
    given = {'shape': tuple(shape), 'num_classes': config['classes'], 'compute_dtype': precision}
    module = cls(**kwargs, **given)
    module.check()
    return module


def fits(value: Any, kind: Any) -> bool:
    """Tell whether a value has the type of an annotation: a class, tuple[x, ...], or x | y."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return any(fits(value, one) for one in inner)
    if origin is tuple:
        return isinstance(value, tuple) and all(fits(one, inner[0]) for one in value)
    wider: Any = {float: (float, int)}.get(kind, kind)
    return isinstance(value, wider) and (kind is bool or not isinstance(value, bool))
