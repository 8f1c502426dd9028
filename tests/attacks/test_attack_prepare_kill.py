"""`prepare` is killed with -9 at random moments: the same command goes on, to the same bytes."""

import os
import pathlib
import random
import signal
import time

import numpy as np
import pytest
import runs
from PIL import Image

from gan_jax.data.preparation import shards
from gan_jax.data.sources import prepared
from gan_jax.errors import UserError

pytestmark = pytest.mark.slow

ROUNDS = 6
# Many small shards: most of the time is spent between two of them.
PROGRAM = """
import sys
from gan_jax.data import __main__ as command
from gan_jax.data.preparation import shards
shards.SHARD_BYTES = 2**18
sys.exit(command.main(sys.argv[1:]))
"""


def started(source, folder, *flags):
    return runs.python('-c', PROGRAM, 'prepare', str(source), str(folder), '--size=32', *flags)


def wait_for(path, process):
    """Wait until a path exists; return the time then."""
    runs.until(path.exists, path, 600, process)
    return time.monotonic()


def contents(folder):
    files = (p for p in sorted(folder.rglob('*')) if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def is_whole(folder):
    """Tell whether a set can be opened; then it has all that it says."""
    try:
        source = prepared.Source(str(folder))
    except UserError:
        return False
    for part in (source.streams or {'': source.whole}).values():
        batch = part.batch(np.arange(len(part)))
        assert len(batch['image']) == part.manifest['count'] == 400
    return True


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp('pictures')
    for side in ('trainA', 'trainB'):
        (folder / side).mkdir()
        for i in range(400):
            pixels = np.random.default_rng(i).integers(0, 256, (48, 48, 3), np.uint8)
            Image.fromarray(pixels).save(folder / side / f'{i}.png')
    return folder


@pytest.mark.parametrize('flags', [('--threads=1',), ('--workers=2',), ('--name=unpaired',)])
def test_kills_at_random_moments(pictures, tmp_path, capsys, flags):
    source = pictures if '--name=unpaired' in flags else pictures / 'trainA'
    undisturbed = tmp_path / 'undisturbed'
    process = started(source, undisturbed, *flags)
    begun = wait_for(undisturbed, process)
    status, _, err = runs.finish(process)
    assert status == 0, err
    lasted = time.monotonic() - begun
    wanted = contents(undisturbed)
    assert f'{shards.MANIFEST}' in {pathlib.Path(name).name for name in wanted}
    rng, kills, whole = random.Random(repr(flags)), 0, 0
    for i in range(ROUNDS):
        folder = tmp_path / str(i)
        for _ in range(rng.randint(1, 3)):
            process = started(source, folder, *flags)
            wait_for(folder, process)
            time.sleep(rng.uniform(0, 0.7 * lasted))
            os.kill(process.pid, signal.SIGKILL)
            kills += runs.finish(process)[0] == -signal.SIGKILL
            whole += is_whole(folder)
        status, out, err = runs.finish(started(source, folder, *flags))
        assert status == 0, err
        assert 'digest' in out and is_whole(folder)
        assert contents(folder) == wanted
    with capsys.disabled():
        print(
            f'\n{kills} kills of prepare {" ".join(flags)}: {ROUNDS} of {ROUNDS} sets end in the '
            f'same bytes; {whole} were whole by then'
        )
