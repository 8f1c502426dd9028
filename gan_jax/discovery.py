"""Parts by name: a part is a module of its package, so a file that is put there is found.

Files may also lie in folders of one's own that are laid out like gan_jax and named by the
environment variable GAN_JAX_PLUGINS, separated as in PATH.
"""

import functools
import importlib
import os
import pathlib
import pkgutil
from types import ModuleType

from gan_jax.errors import unknown


def names(package: str, but: tuple[str, ...] = ()) -> list[str]:
    """Return the names of the modules of a package such as 'gan_jax.models', in order."""
    found = (name for path in _open(package).__path__ for name in _listed(*_dated(path)))
    return sorted({*found} - {*but})


def find(package: str, name: str, what: str, but: tuple[str, ...] = ()) -> ModuleType:
    """Return the module of a name.

    Raises:
      UserError: there is none; `what` says what was looked for.
    """
    known = names(package, but)
    if name not in known:
        raise unknown(what, name, known)
    return importlib.import_module(f'{package}.{name}')


def _dated(path: str) -> tuple[str, int]:
    """Return a folder, and when a file was last put there; 0 where there is none."""
    return path, os.stat(path).st_mtime_ns if os.path.isdir(path) else 0


@functools.cache  # a config asks some thousand times while it is checked
def _listed(path: str, changed: int) -> list[str]:
    """Return the names of the modules in a folder as it was at a time."""
    del changed
    return [module.name for module in pkgutil.iter_modules([path])]


def _open(package: str) -> ModuleType:
    """Import a package, and let it have the modules that plug-in folders hold for it."""
    module = importlib.import_module(package)
    for root in filter(None, os.environ.get('GAN_JAX_PLUGINS', '').split(os.pathsep)):
        folder = str(pathlib.Path(root, *package.split('.')[1:]).absolute())
        if os.path.isdir(folder) and folder not in module.__path__:
            module.__path__.append(folder)
    return module
