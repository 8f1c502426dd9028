"""Decode a source once into ArrayRecord shards with a manifest; what is done is kept."""

import contextlib
import dataclasses
import functools
import hashlib
import json
import pathlib
import signal
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import process
from multiprocessing import context
from typing import Any

import tqdm

from gan_jax import documents
from gan_jax.data.labels import UNKNOWN
from gan_jax.data.preparation import audit, shards, showing
from gan_jax.data.preparation.facts import FORM, JSON, Facts, Part, read_part
from gan_jax.data.protocol import BadExample, in_order
from gan_jax.errors import UserError
from gan_jax.files import replacing
from gan_jax.runtime import children

CHUNK = 64
PLAN = 'unfinished.json'
# Of a shard that is finished, until all are.
NOTE = {**shards.SHARD, 'facts': FORM}

# the source that a worker process reads, set when the process starts
_source: Any = None


class Worker(context.SpawnProcess):
    """A process that leaves Ctrl-C, which the whole group gets, to the one that started it."""

    def start(self) -> None:
        """Start the process with SIGINT blocked: what is blocked here, it inherits."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Workers(context.SpawnContext):
    """The way in which worker processes are started."""

    Process = Worker


def open_in_worker(source: Any) -> None:
    """Give a worker process its source, and let it end with its parent, however that ends."""
    global _source
    _source = source
    children.end_with_parent()


def read_in_worker(keep: bool, span: tuple[int, int]) -> Part:
    """Read a part of the worker's source."""
    return read_part(_source, *span, keep)


@contextlib.contextmanager
def reader(source: Any, keep: bool, workers: int, threads: int) -> Iterator[Callable]:
    """Give a function from spans (start, stop) to their parts, read ahead in order."""
    threads = threads or audit.cores()

    def here(span: tuple[int, int]) -> Part:
        return read_part(source, *span, keep)

    if workers:
        pool: futures.Executor = futures.ProcessPoolExecutor(
            workers, Workers(), open_in_worker, (source,)
        )
        function: Callable = functools.partial(read_in_worker, keep)
    else:
        pool, function = futures.ThreadPoolExecutor(threads), here
    try:
        yield functools.partial(in_order, pool, function, ahead=2 * (workers or threads))
    except process.BrokenProcessPool:
        raise UserError(
            'a worker process was killed, maybe for want of memory; with fewer --workers, the '
            'same command goes on where it stopped'
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def spans(start: int, stop: int) -> list[tuple[int, int]]:
    """Cut a range into parts of CHUNK."""
    return [(i, min(i + CHUNK, stop)) for i in range(start, stop, CHUNK)]


def gather(source: Any, workers: int = 0, threads: int = 0, title: str = 'reading') -> Facts:
    """Read a whole source and return its facts."""
    facts = Facts()
    with (
        reader(source, False, workers, threads) as read,
        tqdm.tqdm(total=len(source), desc=title, unit='img', disable=None) as bar,
    ):
        for span, part in with_spans(read, spans(0, len(source))):
            facts.merge(part.facts)
            bar.update(span[1] - span[0])
    return facts


def with_spans(read: Callable, parts: list[tuple[int, int]]) -> Iterator:
    """Pair each span with its part."""
    return zip(parts, read(parts), strict=True)


def plan(source: Any, request: JSON) -> JSON:
    """Return what identifies a preparation: what was asked for, of what."""
    names = getattr(source, 'names', None)
    listed = hashlib.sha256()
    for name in names or ():
        listed.update(name.encode('utf-8', 'surrogateescape') + b'\0')
    return {
        'version': shards.VERSION,
        **request,
        'examples': len(source),
        'names': listed.hexdigest(),
        # what is unknown is counted while it is read
        'spec': dataclasses.replace(source.spec, unknown=0).to_json(),
    }


def write_json(path: pathlib.Path, data: JSON) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as draft:
        draft.write_text(json.dumps(data, indent=1) + '\n', encoding='utf-8')


def prepared(folder: pathlib.Path) -> JSON | None:
    """Return the manifest of a folder, None where there is none; UserError where it is damaged."""
    return shards.read_manifest(folder) if (folder / shards.MANIFEST).exists() else None


def claim(folder: pathlib.Path, wanted: JSON) -> None:
    """Take a folder for a preparation; raises UserError where it holds something else."""
    there = prepared(folder) or documents.read_or_none(folder / PLAN, dict)
    if there is not None:
        differ = [key for key in wanted if there.get(key) != wanted[key]]
        if differ:
            raise UserError(
                f'{folder} holds a set prepared with another {", ".join(differ)}; '
                f'give another folder, or delete this one'
            )
    elif folder.exists() and set(folder.iterdir()) - set(drafts(folder)):
        raise UserError(f'{folder} is not empty; give a new folder')
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / shards.MANIFEST).exists():
        write_json(folder / PLAN, wanted)


def drafts(folder: pathlib.Path) -> list[pathlib.Path]:
    """Return the files that a call which was killed had begun to write."""
    stems = ('images-*', pathlib.Path(PLAN).stem, pathlib.Path(shards.MANIFEST).stem)
    return [path for stem in stems for path in folder.glob(f'.{stem}.*.tmp.*')]


def write_shard(path: pathlib.Path, parts: Iterator, bar: Any) -> JSON:
    """Write one shard from its parts; return its facts, size and digest."""
    # imported late: it is needed only where shards are written
    from array_record.python import array_record_module

    facts, content = Facts(), hashlib.sha256()
    with replacing(path) as draft:
        writer = array_record_module.ArrayRecordWriter(str(draft), shards.OPTIONS)
        with contextlib.closing(writer):
            for span, part in parts:
                for record in part.records:
                    writer.write(record)
                    content.update(record)
                facts.merge(part.facts)
                bar.update(span[1] - span[0])
    return {
        'name': path.name,
        'count': facts.count,
        'bytes': path.stat().st_size,
        'digest': content.hexdigest(),
        'facts': facts.to_json(),
    }


def finished(path: pathlib.Path, on_error: str) -> JSON | None:
    """Return the note of a shard that an earlier run finished, or None."""
    note = documents.read_or_none(path.with_suffix('.json'), NOTE)
    if note is None or not path.exists() or path.stat().st_size != note['bytes']:
        return None
    # bad files may have been mended since
    return None if note['facts']['bad'] and on_error == 'raise' else note


def write_shards(
    source: Any,
    folder: pathlib.Path,
    request: JSON,
    *,
    on_error: str = 'raise',
    workers: int = 0,
    threads: int = 0,
) -> JSON:
    """Write a source's shards, manifest and pictures to a folder; return the manifest.

    request: what to record of how the source was made, like its path, crop and filter. Shards
    that an interrupted call finished are kept. Raises UserError with the list of bad examples if
    on_error is 'raise', and where the folder cannot be written or holds another set.
    """
    wanted = plan(source, request)
    try:
        claim(folder, wanted)
        done = prepared(folder)
        if done is None:
            notes = write_rest(source, folder, on_error, workers, threads)
            done = join(folder, wanted, notes, on_error)
        if (folder / PLAN).exists():
            finish(folder, done)
    except OSError as error:
        raise UserError(f'cannot write {folder}: {error.strerror or error}') from None
    return done


def write_rest(
    source: Any, folder: pathlib.Path, on_error: str, workers: int, threads: int
) -> list[JSON]:
    """Write the shards that are not finished; return the notes of all."""
    per = max(1, shards.SHARD_BYTES // shards.record_bytes(source.spec))
    starts = range(0, len(source), per)
    notes = []
    with (
        reader(source, True, workers, threads) as read,
        tqdm.tqdm(total=len(source), desc='preparing', unit='img', disable=None) as bar,
    ):
        for number, start in enumerate(starts):
            stop = min(start + per, len(source))
            path = folder / shards.shard_name(number, len(starts))
            note = finished(path, on_error)
            if note is None:
                note = write_shard(path, with_spans(read, spans(start, stop)), bar)
                write_json(path.with_suffix('.json'), note)
            else:
                bar.update(stop - start)
            notes.append(note)
    return notes


def join(folder: pathlib.Path, wanted: JSON, notes: list[JSON], on_error: str) -> JSON:
    """Write the manifest of all shards and return it: from here on the set is whole."""
    facts = Facts()
    for note in notes:
        facts.merge(Facts.from_json(note['facts']))
    bad = [BadExample(name, reason) for name, reason in facts.bad]
    audit.raise_or_warn(bad, wanted['examples'], on_error, audit.warn)
    full = [n for n in notes if n['count']]
    known = {int(k): n for k, n in facts.labels.items()}
    unknown = known.pop(UNKNOWN, 0)
    total = hashlib.sha256(''.join(n['digest'] for n in full).encode())
    manifest = {
        **wanted,
        'count': facts.count,
        'unknown': unknown,
        'class_counts': {str(k): n for k, n in sorted(known.items())},
        'sizes': dict(facts.sizes.most_common()),
        'moments': facts.moments(),
        'skipped': facts.bad,
        'digest': total.hexdigest(),
        'shards': [{k: n[k] for k in ('name', 'count', 'bytes', 'digest')} for n in full],
    }
    write_json(folder / shards.MANIFEST, manifest)
    return manifest


def finish(folder: pathlib.Path, manifest: JSON) -> None:
    """Write the pictures of a set and clear away the notes; the plan is the last to go."""
    showing.preview(folder)
    spec = shards.spec_of(manifest)
    if spec.images:
        h, w = spec.shape[:2]
        sizes = manifest['sizes'] or {f'{h}x{w}': manifest['count']}
        showing.histogram(sizes, folder / 'sizes.png')
    for left in (*folder.glob('images-*.json'), *drafts(folder), folder / PLAN):
        left.unlink(missing_ok=True)
