"""Pickles and weights that are damaged or made to harm: refused, or read right; nothing is run."""

import io
import itertools
import pickle
import pickletools
import random
import sys
import zipfile

import numpy as np
import pytest
from test_pickles import LEGACY, ZIP, unpack

from gan_jax import data
from gan_jax.core.pickles import standins, torchfile, unpickle
from gan_jax.errors import UserError

pytestmark = pytest.mark.slow

# What only code that runs does.
EVENTS = {'compile', 'pickle.find_class', 'os.mkdir', 'os.system', 'subprocess.Popen'}
watch = {'on': False, 'seen': []}


def hook(event, args):
    if watch['on'] and (event in EVENTS or (event == 'import' and args[0] in ('os', 'posix'))):
        watch['seen'].append((event, args))


sys.addaudithook(hook)


ARRAYS = {
    'x': np.arange(40),
    'f': np.asfortranarray(np.eye(3)),
    'names': ['a', b'b'],
    'n': (1, 2.5),
}
BATCH = {'labels': [0, 1], 'data': np.arange(2 * 3072).astype(np.uint8).reshape(2, 3072)}
PICKLES = [pickle.dumps(tree, p) for tree in (ARRAYS, BATCH) for p in range(6)]
PLANTED = [
    b'cos\nsystem\n', b'cposix\nmkdir\n', b"(S'/tmp/made'\ntR", b'cbuiltins\neval\n',
    b'\x8c\x05posix\x8c\x06system\x93', b'c__main__\nx\n', b'cnumpy\nload\n', b'\x82\x01', b'\x81',
    b'ccopyreg\n_reconstructor\n', b'(ios\nsystem\n', b'ctorch._utils\n_rebuild_tensor_v2\n',
    b"S'x'\nQ", b'Px\n',
]  # fmt: skip


def opcodes(content):
    """Cut a pickle into its opcodes with their arguments."""
    places = [place for _, _, place in pickletools.genops(content)] + [len(content)]
    return [content[a:b] for a, b in itertools.pairwise(places)]


POOL = sorted({part for content in PICKLES for part in opcodes(content)}) + PLANTED


def flipped(rng, content):
    raw = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    return bytes(raw)


def cut(rng, content):
    return content[: rng.randrange(len(content))]


def mutated(rng, content):
    """Remove, repeat, swap and insert whole opcodes."""
    parts = opcodes(content)
    for _ in range(rng.randint(1, 5)):
        at, other = rng.randrange(len(parts)), rng.randrange(len(parts))
        change = rng.randrange(4)
        if change == 0 and len(parts) > 1:
            del parts[at]
        elif change == 1:
            parts.insert(at, parts[other])
        elif change == 2:
            parts[at], parts[other] = parts[other], parts[at]
        else:
            parts.insert(at, rng.choice(POOL))
    return b''.join(parts)


CHANGES = (flipped, cut, mutated)


def tried(function, *args):
    """Return whether a call gives an answer; what it raises must be of one line."""
    watch['on'] = True
    try:
        function(*args)
    except (UserError, ValueError) as error:
        assert str(error) and '\n' not in str(error)
        return False
    finally:
        watch['on'] = False
        assert not watch['seen']
    return True


def report(capsys, what, read, total):
    with capsys.disabled():
        print(f'\n{total - read} of {total} {what} refused in one line, {read} read, none was run')


def test_pickles(capsys):
    rng = random.Random(0)
    total, read = 24_000, 0
    for i in range(total):
        read += tried(unpickle.loads, CHANGES[i % 3](rng, rng.choice(PICKLES)))
    assert read < total
    report(capsys, 'damaged pickles', read, total)


def test_random_programs(capsys):
    rng = random.Random(1)
    total, read = 20_000, 0
    for _ in range(total):
        program = b''.join(rng.choices(POOL, k=rng.randint(1, 40))) + b'.'
        read += tried(unpickle.loads, program)
    report(capsys, 'pickles of random opcodes', read, total)


def test_batches_of_cifar(capsys, tmp_path):
    rng = random.Random(2)
    total, read = 3_000, 0
    path = tmp_path / 'data_batch_1'
    keys = {**data.defaults(), 'name': 'cifar', 'path': str(tmp_path)}
    path.write_bytes(PICKLES[-1])
    # what it imports, it imports once
    assert len(data.open_source(keys)) == 2
    for i in range(total):
        path.write_bytes(CHANGES[i % 3](rng, rng.choice(PICKLES[6:])))
        read += tried(data.open_source, keys)
    report(capsys, 'damaged batches of CIFAR', read, total)


def rezipped(rng, content):
    """Change a file of the zip, with a checksum that is right."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(target, 'w') as new:
        for info in old.infolist():
            raw = old.read(info)
            if raw and rng.random() < 0.5:
                change = mutated if info.filename.endswith('.pkl') else rng.choice((flipped, cut))
                raw = change(rng, raw)
            new.writestr(info.filename, raw)
    return target.getvalue()


def test_weights(capsys, tmp_path):
    rng = random.Random(3)
    total, read = 12_000, 0
    path = tmp_path / 'x.pth'
    changes = (flipped, cut, rezipped)
    for i in range(total):
        content = unpack((ZIP, LEGACY)[i // 3 % 2])
        change = changes[i % 3] if content[:2] == b'PK' else (flipped, cut, flipped)[i % 3]
        path.write_bytes(change(rng, content))
        read += tried(torchfile.read, path)
    report(capsys, 'damaged files of weights', read, total)


def test_a_flipped_zip_of_weights_has_the_same_tensors_or_none(capsys, tmp_path):
    rng = random.Random(4)
    path = tmp_path / 'x.pth'
    path.write_bytes(unpack(ZIP))
    whole = torchfile.read(path)
    total, read = 4_000, 0
    for _ in range(total):
        path.write_bytes(flipped(rng, unpack(ZIP)))
        try:
            found = torchfile.read(path)
        except UserError:
            continue
        read += 1
        assert found.keys() == whole.keys()
        for name, value in whole.items():
            np.testing.assert_array_equal(found[name], value)
    report(capsys, 'flipped zips of weights', read, total)


def test_views_are_what_their_numbers_say_or_refused(capsys):
    rng = random.Random(5)
    total, read = 20_000, 0
    content = np.arange(24, dtype='<i4')
    odd = (-1, 2**31, 2**61, 2**63 - 1, 2**63, -(2**63), True, 1.0, None, '1')
    for _ in range(total):
        axes = rng.randint(0, 3)
        shape, strides = (
            tuple(rng.choice(odd) if rng.random() < 0.1 else rng.randint(0, 5) for _ in range(axes))
            for _ in range(2)
        )
        offset = rng.choice(odd) if rng.random() < 0.1 else rng.randint(0, 25)
        try:
            memory = standins.storage(('storage', 'IntStorage', '0', 'cpu', 24))
            view = standins._tensor(memory, offset, shape, strides)
            found = view.array(content.tobytes())
        except ValueError:
            continue
        read += 1
        assert found.shape == shape
        for index in np.ndindex(shape) if found.size else ():
            place = offset + sum(i * s for i, s in zip(index, strides, strict=True))
            assert 0 <= place < 24 and found[index] == content[place]
    assert read > total / 10
    report(capsys, 'views', read, total)
