"""Where a set of two domains keeps them: trainA and trainB, or A and B, or A/train and B/train."""

from gan_jax.data.sources.folder import common_folder
from gan_jax.files import natural


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
