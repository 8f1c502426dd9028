"""Read networks that were pickled whole by the code of StyleGAN2-ADA and StyleGAN3 for PyTorch.

Such a pickle would have its reader run the source text of the networks, which it holds. Nothing of
that is read here: a module is the name of its class, and the dictionary of what it holds.
"""

import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from gan_jax import regular
from gan_jax.core.pickles import torchfile
from gan_jax.core.pickles.standins import CALLS, Name, View
from gan_jax.core.pickles.unpickle import loads
from gan_jax.errors import UserError

# Of one network; StyleGAN2 of 1024x1024 has about two hundred.
MOST_PARTS = 10_000


class Module(NamedTuple):
    """Stand for a module: the name of its class, and its attributes."""

    kind: str
    state: dict[str, Any]

    def part(self, name: str) -> dict[str, Any]:
        """Return the modules, parameters or buffers that it holds by name."""
        found = self.state.get(name, {})
        if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
            raise ValueError(f'a module whose {name} is no dictionary of names')
        return found


class Network(NamedTuple):
    """Hold a network: classes of modules and arrays by dotted name, and constructor arguments."""

    kinds: dict[str, str]
    arrays: dict[str, np.ndarray]
    arguments: dict[str, Any]


def _module(meta: Any) -> Module:
    if not isinstance(meta, dict) or meta.get('type') != 'class':
        raise ValueError('a persistent object that is no class')
    kind, state = meta.get('class_name'), meta.get('state')
    if not isinstance(kind, str) or not isinstance(state, dict):
        raise ValueError('a persistent object without a class or a state')
    return Module(kind, state)


def _storage(content: Any) -> Any:
    if not isinstance(content, bytes):
        raise ValueError('a storage that is no bytes')
    return torchfile.read_legacy_storage(content)


NETWORK_CALLS = {
    **CALLS,
    Name('torch_utils.persistence', '_reconstruct_persistent_obj'): _module,
    Name('torch.storage', '_load_from_bytes'): _storage,
    Name('dnnlib.util', 'EasyDict'): CALLS[Name('collections', 'OrderedDict')],
}


def read(path: str | pathlib.Path) -> dict[str, Network]:
    """Return the networks of a published file, by their names in it (G, D, G_ema).

    Raises:
      UserError: it is none, or names a function or class that networks are not pickled with;
        nothing of it has been run.
    """
    try:
        tree = loads(regular.read_bytes(path, torchfile.MAX_BYTES), NETWORK_CALLS)
        if not isinstance(tree, dict):
            raise ValueError(f'a {type(tree).__name__} at the top, not a dictionary')
        found = {name: value for name, value in tree.items() if isinstance(value, Module)}
        return {str(name): network(module) for name, module in found.items()}
    except OSError as error:
        raise UserError(f'{path} cannot be read: {error.strerror}') from None
    except torchfile.BROKEN as error:
        raise UserError(f'{path}: not a pickle of networks alone ({error})') from None


def network(module: Module) -> Network:
    """Return what a module and those within it hold; raise ValueError where that is no network."""
    kinds: dict[str, str] = {}
    views: dict[str, View] = {}
    for name, part in walk(module):
        if isinstance(part, Module):
            kinds[name] = part.kind
        else:
            views[name] = part
        # a module may be that of many names
        if len(kinds) + len(views) > MOST_PARTS:
            raise ValueError(f'a network of more than {MOST_PARTS} parts')
    torchfile.check_size(views.values())
    arguments = module.state.get('_init_kwargs', {})
    if not isinstance(arguments, dict):
        raise ValueError('constructor arguments that are no dictionary')
    arrays = {name: view.array(view.storage.content or b'') for name, view in views.items()}
    return Network(kinds, arrays, arguments)


def walk(module: Module, prefix: str = '') -> Iterator[tuple[str, Module | View]]:
    """Yield a module and all that it holds, by dotted name."""
    yield prefix.removesuffix('.'), module
    for name, tensor in {**module.part('_parameters'), **module.part('_buffers')}.items():
        if tensor is not None:
            if not isinstance(tensor, View):
                raise ValueError(f'{f"{prefix}{name}"!r:.80} is no tensor')
            yield prefix + name, tensor
    for name, inner in module.part('_modules').items():
        if inner is not None:
            if not isinstance(inner, Module):
                raise ValueError(f'{f"{prefix}{name}"!r:.80} is no module')
            yield from walk(inner, f'{prefix}{name}.')
