"""Parts by name: a part is a module of its package, so a file that is put there is found."""

import importlib
import pkgutil
from types import ModuleType

from gan_jax.errors import unknown


def names(package: str, but: tuple[str, ...] = ()) -> list[str]:
    """Return the names of the modules of a package such as 'gan_jax.models', in order."""
    found = pkgutil.iter_modules(importlib.import_module(package).__path__)
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
