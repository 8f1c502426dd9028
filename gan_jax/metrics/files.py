"""Files that are written whole or not at all, and the cache that they lie in."""

import os
import pathlib
import tempfile


def cache() -> pathlib.Path:
    """Return the folder for what is fetched or computed once: $XDG_CACHE_HOME/gan_jax."""
    return pathlib.Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache').expanduser() / 'gan_jax'


def write(path: pathlib.Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f'.{path.name}.', delete=False) as f:
        try:
            f.write(content)
            f.close()
            os.replace(f.name, path)
        except BaseException:
            pathlib.Path(f.name).unlink(missing_ok=True)
            raise
