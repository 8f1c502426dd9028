"""A folder, zip or tar of images, nested, with or without labels, in natural order."""

import posixpath

from gan_jax.data import labels, stores
from gan_jax.data.encoded import Encoded
from gan_jax.data.geometry import Geometry
from gan_jax.data.images import SUFFIXES, BadImage
from gan_jax.data.keys import GEOMETRY, LABELS, ON_ERROR, PATH, SPLIT
from gan_jax.errors import UserError, nearest
from gan_jax.files import natural

KEYS = {**PATH, **SPLIT, **LABELS, **GEOMETRY, **ON_ERROR}


class Source(Encoded):
    """Read images below a path.

    split: use only the images below this folder ('train' is everything where there are no folders
    train, test and so on). labels: 'auto' (dataset.json, labels.csv or
    class folders), 'none', or a CSV. Raises UserError where there is nothing to read.
    """

    def __init__(
        self,
        path: str = '',
        split: str = '',
        fit: Geometry | None = None,
        labels: str = 'auto',
        on_error: str = 'raise',
    ):
        self.store = stores.open_store(path)
        self.prefix = prefix_of(self.store.names, split, path)
        names = images_below(self.store.names, self.prefix)
        if not names:
            raise UserError(
                f"config.data.path='{path}' holds no images: {len(self.store.names)} files, none "
                f'named like {", ".join(SUFFIXES[:2])}, ...'
            )
        found = self.labelled(names, labels)
        of, classes = (None, ()) if found is None else (found.of, found.classes)
        self.unlabelled = set() if of is None else {n for n in names if n not in of}
        numbers = None if of is None else [of.get(name, 0) for name in names]
        super().__init__(names, fit or Geometry(), numbers, classes)
        self.spec = self.survey(on_error == 'raise', path)

    def labelled(self, names: list[str], wanted: str) -> labels.Labels | None:
        """Return the labels of files, None for none."""
        return label_files(self.store, names, self.prefix, wanted)

    def read(self, index: int) -> bytes:
        """Return a file's bytes; raises BadImage."""
        name = self.names[index]
        if name in self.unlabelled and not stores.outside(name):
            raise BadImage('has no label')
        full = name if stores.outside(name) else self.prefix + name
        return self.store.read(full)


def label_files(store, names: list[str], prefix: str, wanted: str) -> labels.Labels | None:
    """Return the labels of files; raises UserError where a file of labels cannot be read."""
    try:
        return labels.find(store, names, prefix, wanted)
    except BadImage as error:
        raise UserError(f'the labels {error}') from None


def prefix_of(names: list[str], split: str, path: str) -> str:
    """Return the folder, with a '/', that all wanted names share: single tops, then the split."""
    prefix = common_folder(names)
    if not split:
        return prefix
    for start in (prefix, ''):
        wanted = start + split.strip('/') + '/'
        if any(n.startswith(wanted) for n in names):
            return wanted
    usable = [n[len(prefix) :] for n in names if not stores.outside(n)]
    there = sorted({n.split('/')[0] for n in usable if '/' in n}, key=natural)
    if split == 'train' and not any(t.lower() in labels.SPLITS for t in there):
        return prefix
    raise UserError(
        f"config.data.split='{split}' is no folder of {path}{nearest(split, there)}; "
        f'available: {", ".join(there[:20]) or "none"}'
    )


def common_folder(names: list[str]) -> str:
    """Return the folder, with a '/', that all names share, or ''."""
    folders = {n.rpartition('/')[0] for n in names if not stores.outside(n)}
    shared = posixpath.commonpath(folders) if folders else ''
    return shared + '/' if shared else ''


def images_below(names: list[str], prefix: str) -> list[str]:
    """Return the names of images below a prefix, without it; strange entries stay, to be named."""
    images = [n for n in names if n.lower().endswith(SUFFIXES)]
    return [n[len(prefix) :] for n in images if n.startswith(prefix)] + [
        n for n in images if not n.startswith(prefix) and stores.outside(n)
    ]
