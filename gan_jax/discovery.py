"""Parts by name: a part is a module of its package, so a file that is put there is found.

Files may also lie in folders of one's own that are laid out like gan_jax and named by the
environment variable GAN_JAX_PLUGINS, separated as in PATH.
"""

import importlib
import os
import pathlib
import pkgutil
from types import ModuleType

from gan_jax.errors import unknown


def names(package: str, but: tuple[str, ...] = ()) -> list[str]:
    """Return the names of the modules of a package such as 'gan_jax.models', in order."""
    found = pkgutil.iter_modules(_open(package).__path__)
    return sorted(m.name for m in found if m.name not in but)


def find(package: str, name: str, what: str, but: tuple[str, ...] = ()) -> ModuleType:
    """Return the module of a name.

    Raises:
      UserError: there is none; `what` says what was looked for.
    """
    known = names(package, but)
    if name not in known:
        raise unknown(what, name, known)
    return importlib.import_module(f'{package}.{name}')


def _open(package: str) -> ModuleType:
    """Import a package, and let it have the modules that plug-in folders hold for it."""
    module = importlib.import_module(package)
    for root in filter(None, os.environ.get('GAN_JAX_PLUGINS', '').split(os.pathsep)):
        folder = str(pathlib.Path(root, *package.split('.')[1:]).absolute())
        if os.path.isdir(folder) and folder not in module.__path__:
            module.__path__.append(folder)
    return module
