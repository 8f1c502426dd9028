"""Sets that `python -m gan_jax.data prepare` made: shards of raw pixels, nothing to decode."""

import contextlib
import pathlib
import threading
from typing import Any

import numpy as np

from gan_jax.data.keys import PATH
from gan_jax.data.preparation import shards
from gan_jax.data.protocol import BadExample, Example, Spec
from gan_jax.data.sources.unpaired import joined
from gan_jax.errors import UserError

KEYS = {**PATH}


class Source:
    """Read a prepared folder; one with folders a and b in it is an unpaired set."""

    streams: dict[str, Any] | None = None

    def __init__(self, path: str = ''):
        folder = pathlib.Path(path).expanduser()
        if not path or not folder.is_dir():
            raise UserError(f"config.data.path='{path}' is no folder of a prepared set")
        if (folder / 'a' / shards.MANIFEST).exists():
            self.streams = {name: Shards(folder / name) for name in ('a', 'b')}
            self.spec = joined(self.streams)
        else:
            self.whole = Shards(folder)
            self.spec = self.whole.spec
            self.batch = self.whole.batch

    def __len__(self) -> int:
        return max(map(len, self.streams.values())) if self.streams else len(self.whole)

    def __getitem__(self, index: int) -> Example:
        if self.streams:
            return {k: s[index % len(s)]['image'] for k, s in self.streams.items()}
        return self.whole[index]


def open_shard(file: pathlib.Path) -> Any:
    """Return a reader of a shard, which raises almost anything where it is damaged."""
    # imported late: it is needed only where a prepared set is read
    from array_record.python import array_record_module

    options = 'readahead_buffer_size:0,max_parallelism:0'
    return array_record_module.ArrayRecordReader(str(file), options=options)


def count(file: pathlib.Path) -> int | None:
    """Return how many records a shard has, None where it is damaged: reading it will say so."""
    try:
        with contextlib.closing(open_shard(file)) as reader:
            return int(reader.num_records())
    except Exception:
        return None


class Shards:
    """Read the examples of one manifest."""

    spec: Spec

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.manifest = shards.read_manifest(folder)
        self.spec = shards.spec_of(self.manifest)
        self.files = [folder / s['name'] for s in self.manifest['shards']]
        self.starts = np.cumsum([0, *(s['count'] for s in self.manifest['shards'])])
        self.local = threading.local()
        again = f'prepare {folder} again from {self.manifest.get("source")}'
        for file, shard in zip(self.files, self.manifest['shards'], strict=True):
            if not file.is_file() or file.stat().st_size != shard['bytes']:
                raise UserError(f'{file} is absent or damaged; {again}')
            found = count(file)
            if found not in (None, shard['count']):
                raise UserError(
                    f'{file} holds {found} examples, but {shards.MANIFEST} says '
                    f'{shard["count"]}; {again}'
                )

    def __len__(self) -> int:
        return int(self.starts[-1])

    def name(self, index: int) -> str:
        """Name an example by its shard and place there."""
        shard = int(np.searchsorted(self.starts, index, 'right')) - 1
        return f'{self.files[shard]}[{index - self.starts[shard]}]'

    def reader(self, shard: int) -> Any:
        """Return this thread's reader of a shard."""
        if not hasattr(self.local, 'readers'):
            self.local.readers = {}
        if shard not in self.local.readers:
            self.local.readers[shard] = open_shard(self.files[shard])
        return self.local.readers[shard]

    def records(self, indices: np.ndarray) -> list[bytes]:
        """Return the records of examples, one read for each shard."""
        indices = np.asarray(indices)
        owner = np.searchsorted(self.starts, indices, 'right') - 1
        found: list[bytes] = [b''] * len(indices)
        for shard in np.unique(owner):
            places = np.flatnonzero(owner == shard)
            inside = (indices[places] - self.starts[shard]).tolist()
            for place, record in zip(places, self.reader(int(shard)).read(inside), strict=True):
                found[place] = record
        return found

    def batch(self, indices: np.ndarray) -> Example:
        """Read several examples as one batch; raises BadExample for a damaged shard."""
        try:
            records = self.records(indices)
            if any(len(r) != shards.record_bytes(self.spec) for r in records):
                raise ValueError('a record has the wrong length')
        # the reader raises almost anything on a damaged shard
        except Exception as error:
            raise BadExample(self.name(int(indices[0])), f'cannot be read: {error}') from None
        return shards.unpack(records, self.spec)

    def __getitem__(self, index: int) -> Example:
        return {k: v[0] for k, v in self.batch(np.asarray([index])).items()}

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != 'local'}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.local = threading.local()
