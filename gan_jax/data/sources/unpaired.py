"""Two sets of images without pairs, as CycleGAN needs them, each shuffled alone."""

from typing import Any

from gan_jax.data import stores
from gan_jax.data.geometry import Geometry
from gan_jax.data.keys import DATASET, GEOMETRY, ON_ERROR, PATH, SPLIT
from gan_jax.data.protocol import Example, Spec
from gan_jax.data.sources.folder import Source as Folder
from gan_jax.data.sources.folder import common_folder
from gan_jax.data.sources.tfds import Source as Tfds
from gan_jax.errors import UserError
from gan_jax.files import natural

KEYS = {**PATH, **DATASET, **SPLIT, **GEOMETRY, **ON_ERROR}


class Source:
    """Give 'a' and 'b' from folders trainA and trainB (or A and B), or of tensorflow-datasets.

    split: 'train' by default; dataset: a name of tensorflow-datasets like 'cycle_gan/horse2zebra',
    then path is its folder. Each of the two streams has epochs of its own length; the run's epoch
    is the longer one.
    """

    def __init__(
        self,
        path: str = '',
        dataset: str = '',
        split: str = '',
        fit: Geometry | None = None,
        on_error: str = 'raise',
    ):
        rest: dict[str, Any] = {
            'fit': fit,
            'labels': 'none',
            'on_error': on_error,
        }
        split = split or 'train'
        parts: list[Any]
        if dataset:
            parts = [Tfds(dataset, path, split + side, **rest) for side in 'AB']
        else:
            two = sides(path, split)
            parts = [Folder(path, side, **rest) for side in two]
        self.streams = dict(zip('ab', parts, strict=True))
        self.spec = joined(self.streams)

    def __len__(self) -> int:
        return max(len(s) for s in self.streams.values())

    def __getitem__(self, index: int) -> Example:
        return {k: s[index % len(s)]['image'] for k, s in self.streams.items()}


def sides(path: str, split: str) -> tuple[str, str]:
    """Return the folders of the two sets; raises UserError where there are none."""
    names = stores.open_store(path).names
    two = find(names, split)
    if two is None:
        raise UserError(
            f"config.data.path='{path}' has no folders {split}A and {split}B; available: "
            f'{folders(names)}'
        )
    return two


def joined(streams: dict[str, Any]) -> Spec:
    """Return the spec of two streams; raises UserError where their dtypes differ."""
    specs = {name: s.spec for name, s in streams.items()}
    if len({s.dtype for s in specs.values()}) > 1:
        kinds = ', '.join(f'{name} is {s.dtype}' for name, s in specs.items())
        raise UserError(f'the two sets differ in depth: {kinds}')
    return Spec({name: s.fields[s.main] for name, s in specs.items()}, 'b')


def layouts(split: str) -> list[tuple[str, str]]:
    """Return the pairs of folders that may hold the two domains of a split."""
    pairs = [('A', 'B'), ('a', 'b')]
    if not split:
        return pairs + [('trainA', 'trainB')]
    return [
        pattern
        for a, b in pairs
        for pattern in ((f'{split}{a}', f'{split}{b}'), (f'{split}/{a}', f'{split}/{b}'),
                        (f'{a}/{split}', f'{b}/{split}'), *(((a, b),) if split == 'train' else ()))
    ]  # fmt: skip


def find(names: list[str], split: str) -> tuple[str, str] | None:
    """Return the two folders that hold the domains of a split, or None."""
    top = common_folder(names)
    for a, b in layouts(split):
        if any(n.startswith(f'{top}{a}/') for n in names) and any(
            n.startswith(f'{top}{b}/') for n in names
        ):
            return a, b
    return None


def folders(names: list[str]) -> str:
    """List the folders of a set for a message."""
    top = common_folder(names)
    inside = {n[len(top) :].split('/')[0] for n in names if '/' in n[len(top) :]}
    found = sorted(inside, key=natural)
    return ', '.join(found[:20]) or 'no folders'
