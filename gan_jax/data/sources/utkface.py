"""Faces whose file names begin with an age, as UTKFace's: 25_0_2_20170116174525125.jpg."""

import bisect
import posixpath
import re

from gan_jax.data.labels import UNKNOWN, Labels
from gan_jax.data.sources import folder

KEYS = {name: key for name, key in folder.KEYS.items() if name != 'labels'}

# Where the classes of Zhang et al. 2017 (arXiv:1702.08423) begin, in years.
BORDERS = (6, 11, 16, 21, 31, 41, 51, 61, 71)
CLASSES = ('0-5', '6-10', '11-15', '16-20', '21-30', '31-40', '41-50', '51-60', '61-70', '71-')
AGE = re.compile(r'(\d{1,3})_')


class Source(folder.Source):
    """Read images below a path, with a label for the age in years that a name begins with.

    Names that begin with none have an unknown label, -1.
    """

    def labelled(self, names: list[str], wanted: str) -> Labels:
        """Return the classes of the ages."""
        del wanted
        return Labels({name: class_of(name) for name in names}, CLASSES, 'file names')


def class_of(name: str) -> int:
    """Return the class of the age in a file's name, or UNKNOWN."""
    found = AGE.match(posixpath.basename(name))
    return bisect.bisect_right(BORDERS, int(found[1])) if found else UNKNOWN
