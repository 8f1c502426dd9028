"""The record beside the arrays of a checkpoint: shapes, and a digest that shows damage."""

import hashlib
import json
import pathlib
from typing import Any

import jax

from gan_jax import documents
from gan_jax.core.state import digest
from gan_jax.errors import UserError

# What a record holds beside what a caller saves.
META = {'step': (int, None), 'shapes': {str: str}, 'arrays': (str, None), 'digest': str}


def make(step: int, tree: Any, meta: dict[str, Any]) -> dict[str, Any]:
    """Return the record of a tree: META, and what a caller saves, `meta`.

    It is a copy, which is written later; `meta` may change by then.
    """
    meta = json.loads(json.dumps({**meta, 'step': step, 'shapes': shapes(tree)}))
    arrays = digest(tree)
    return {**meta, 'arrays': arrays, 'digest': seal(meta, arrays)}


def read(step: int, written: Any) -> tuple[dict[str, Any], str]:
    """Return what a record says of the arrays, and the seal of both.

    Raises:
      ValueError: it is not as when saved, or was saved at another step.
    """
    if wrong := documents.mismatch(written, META):
        raise ValueError(wrong)
    meta = dict(written)
    sealed, arrays = meta.pop('digest'), meta.pop('arrays', None)
    # Earlier versions did not write the digest of the arrays alone, nor the step.
    if arrays is not None:
        _compare(seal(meta, arrays), sealed)
    if meta.get('step', step) != step:
        raise ValueError(f'it was saved at step {meta["step"]}, under the name of another')
    return meta, sealed


def check(tree: Any, meta: dict[str, Any], sealed: str) -> None:
    """Raise ValueError where arrays, and what is saved beside them, are not those of a seal."""
    _compare(seal(meta, digest(tree)), sealed)


def check_shapes(path: pathlib.Path, saved: dict[str, str], template: Any) -> None:
    """Refuse a checkpoint of other arrays than the config's networks have.

    Raises:
      UserError: names the first array that differs.
    """
    if differs := difference(saved, shapes(template)):
        raise UserError(f"checkpoint {path} does not fit the config's networks: {differs}")


def shapes(tree: Any) -> dict[str, str]:
    """Return the dtype and shape of each leaf, by its path."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator='.'): f'{x.dtype}{list(x.shape)}'
        for path, x in leaves
    }


def difference(found: dict[str, str], wanted: dict[str, str]) -> str:
    """Return what is wrong with the first array whose shape is not the one wanted, or ''."""
    for name in sorted({*found, *wanted}):
        was, expected = found.get(name, 'absent'), wanted.get(name, 'absent')
        if was != expected:
            return f'{name} is {was}, and should be {expected}'
    return ''


def seal(meta: dict[str, Any], arrays: str) -> str:
    """Return the sha256 over the digest of a pytree and what is saved beside it, in hex digits."""
    text = json.dumps(meta, sort_keys=True) + arrays
    return hashlib.sha256(text.encode()).hexdigest()


def _compare(found: str, saved: str) -> None:
    if found != saved:
        raise ValueError(f'its digest is {found}, not {saved} as when saved')
