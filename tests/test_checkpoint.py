"""Checkpoints: which are kept, and that no damage is taken for the truth."""

import shutil

import numpy as np
import pytest

from gan_jax.core.state import digest
from gan_jax.errors import UserError
from gan_jax.training import checkpoint, record
from gan_jax.training.checkpoint import Checkpoints

TREE = {'a': np.arange(5000, dtype=np.float32), 'b': {'c': np.int32(0)}}


def tree(step):
    return {'a': TREE['a'] + step, 'b': {'c': np.int32(step)}}


def saved(folder, last, scores=None, **options):
    """Save steps 1 to `last`, and return the steps that are kept."""
    with Checkpoints(folder, **options) as checkpoints:
        for step in range(1, last + 1):
            score = {'fid': scores[step - 1]} if scores else {}
            checkpoints.save(step, tree(step), {'images': 16 * step, 'rate': 0.1}, score)
            checkpoints.wait()
        return checkpoints.steps()


@pytest.fixture(scope='module')
def three(tmp_path_factory):
    folder = tmp_path_factory.mktemp('three')
    saved(folder, 3, keep=3)
    return folder


def test_what_was_saved_comes_back(three):
    with Checkpoints(three, keep=3) as checkpoints:
        step, restored, meta = checkpoints.restore(TREE)
        assert (step, meta) == (3, {'images': 48, 'rate': 0.1})
        np.testing.assert_array_equal(restored['a'], tree(3)['a'])
        assert restored['b']['c'] == 3 and restored['b']['c'].dtype == np.int32
        assert checkpoints.restore(TREE, 2)[0] == 2
        assert checkpoints.meta(1)['images'] == 16
        with pytest.raises(
            UserError, match=r'no checkpoint of step 7 in .*; available: \[1, 2, 3\]'
        ):
            checkpoints.restore(TREE, 7)


@pytest.mark.parametrize(
    ('options', 'scores', 'kept'),
    [
        ({'keep': 2}, None, [5, 6]),
        ({'keep': 1, 'keep_every': 2}, None, [2, 4, 6]),
        ({'keep': 1, 'best': 'fid'}, [5.0, 3.0, 1.0, 2.0, 4.0, 9.0], [3, 6]),
        ({'keep': 1, 'best': 'fid', 'best_mode': 'max'}, [5.0, 3.0, 1.0, 2.0, 4.0, 3.0], [1, 6]),
        ({'keep': 1, 'best': 'fid', 'keep_every': 4}, [5.0, 3.0, 1.0, 2.0, 4.0, 9.0], [3, 4, 6]),
        ({'keep': 2, 'best': 'fid'}, None, [5, 6]),
    ],
)
def test_the_last_every_and_the_best_are_kept(tmp_path, options, scores, kept):
    assert saved(tmp_path, 6, scores, **options) == kept
    with Checkpoints(tmp_path, **options) as checkpoints:
        assert checkpoints.steps() == kept


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def remove(path):
    path.unlink()


def empty(path):
    path.write_bytes(b'')


NAMES = ('meta/metadata', 'tree/_METADATA', 'tree/manifest.ocdbt', 'tree/d/*',
         'tree/ocdbt.process_0/d/*', 'tree/ocdbt.process_0/manifest.ocdbt', '_CHECKPOINT_METADATA',
         'commit_success.txt')  # fmt: skip


# a changed bit for each file, and one of the coarser harms in turn
HARMS = [(name, harm) for i, name in enumerate(NAMES)
         for harm in (flip, (truncate, remove, empty)[i % 3])]  # fmt: skip


@pytest.mark.parametrize(('name', 'harm'), HARMS)
def test_damage_is_named_or_does_no_harm(three, tmp_path, caplog, name, harm):
    folder = shutil.copytree(three, tmp_path / 'run')
    hurt = max((folder / '3').glob(name), key=lambda p: p.stat().st_size)
    harm(hurt)
    with Checkpoints(folder, keep=3) as checkpoints:
        step, restored, meta = checkpoints.restore(TREE)
    # Some of Orbax's files are not needed to read the arrays; their digest says they are whole.
    assert step in (2, 3)
    assert meta['images'] == 16 * step
    np.testing.assert_array_equal(restored['a'], tree(step)['a'])
    named = f'damaged checkpoint {folder}/3' in caplog.text
    assert named == (step == 2)
    if name in ('meta/metadata', 'tree/d/*', 'tree/ocdbt.process_0/d/*'):
        assert step == 2


def test_an_empty_folder_is_a_damaged_checkpoint(three, tmp_path, caplog):
    folder = shutil.copytree(three, tmp_path / 'run')
    shutil.rmtree(folder / '3')
    (folder / '3').mkdir()
    with Checkpoints(folder, keep=3) as checkpoints:
        assert checkpoints.restore(TREE)[0] == 2
        assert checkpoints.meta()['images'] == 32
    assert f'damaged checkpoint {folder}/3' in caplog.text


def test_numbers_beside_the_arrays_are_part_of_the_digest(three, tmp_path, caplog):
    folder = shutil.copytree(three, tmp_path / 'run')
    path = folder / '3' / 'meta' / 'metadata'
    path.write_text(path.read_text().replace('48', '49'))
    with Checkpoints(folder, keep=3) as checkpoints:
        assert checkpoints.restore(TREE)[0] == 2
        assert checkpoints.meta()['images'] == 32
    assert 'its digest is' in caplog.text


def test_a_copy_under_the_name_of_another_step_is_not_taken_for_it(three, tmp_path, caplog):
    folder = shutil.copytree(three, tmp_path / 'run')
    shutil.copytree(folder / '2', folder / '7')
    with Checkpoints(folder, keep=4) as checkpoints:
        assert checkpoints.restore(TREE)[0] == 3
        assert checkpoints.meta()['images'] == 48
        with pytest.raises(UserError, match=r'not the checkpoint of step 7 in .* can be read'):
            checkpoints.restore(TREE, 7)
    said = f'damaged checkpoint {folder}/7: it was saved at step 2, under the name of another'
    assert caplog.text.count(said) == 3


def test_checkpoints_that_were_saved_without_their_step_are_read(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        save = checkpoint.ocp.args.JsonSave

        def older(meta):
            meta = {k: v for k, v in meta.items() if k not in ('step', 'arrays', 'digest')}
            return save({**meta, 'digest': record.seal(meta, digest(tree(1)))})

        patch.setattr(checkpoint.ocp.args, 'JsonSave', older)
        saved(tmp_path, 1)
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.meta()['images'] == 16
        assert checkpoints.restore(TREE)[0] == 1


@pytest.mark.parametrize('text', ['[]', '3', '{}', 'null', '{"digest": 3}', '[' * 10**5])
def test_what_is_no_description_is_damage(three, tmp_path, caplog, text):
    folder = shutil.copytree(three, tmp_path / 'run')
    (folder / '3' / 'meta' / 'metadata').write_text(text)
    with Checkpoints(folder, keep=3) as checkpoints:
        assert checkpoints.meta()['images'] == 32
        assert checkpoints.restore(TREE)[0] == 2
    assert f'damaged checkpoint {folder}/3: ' in caplog.text


def test_a_damaged_one_is_set_aside_and_its_step_saved_anew(three, tmp_path):
    folder = shutil.copytree(three, tmp_path / 'run')
    flip(folder / '3' / 'meta' / 'metadata')
    with Checkpoints(folder, keep=3) as checkpoints:
        step = checkpoints.restore(TREE)[0]
        checkpoints.set_aside(step)
        assert checkpoints.steps() == [1, 2]
        checkpoints.save(3, tree(3), {'images': 48})
        checkpoints.wait()
        assert checkpoints.restore(TREE)[0] == 3
    assert (folder / 'damaged-3').is_dir()


def test_half_a_checkpoint_of_a_killed_run_is_not_one(three, tmp_path):
    folder = shutil.copytree(three, tmp_path / 'run')
    (folder / '3').rename(folder / '3.orbax-checkpoint-tmp')
    with Checkpoints(folder, keep=3) as checkpoints:
        assert checkpoints.steps() == [1, 2]
        assert checkpoints.restore(TREE)[0] == 2


def test_no_sound_checkpoint_is_an_error(three, tmp_path):
    folder = shutil.copytree(three, tmp_path / 'run')
    for step in (1, 2, 3):
        remove(folder / str(step) / 'meta' / 'metadata')
    with (
        Checkpoints(folder, keep=3) as checkpoints,
        pytest.raises(UserError, match=r'no checkpoint in .* can be read; available: \[1, 2, 3\]'),
    ):
        checkpoints.restore(TREE)


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    with (
        pytest.raises(UserError, match=r'no checkpoint can be written in .*: No space left on dev'),
        Checkpoints(tmp_path) as checkpoints,
    ):
        full = ValueError("RESOURCE_EXHAUSTED: Failed to write [os_error_code='28']")

        def fail(*args, **kwargs):
            raise full

        monkeypatch.setattr(checkpoints.manager, 'save', fail)
        checkpoints.save(1, tree(1), {})


def test_what_changes_after_a_save_is_not_saved(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        meta, arrays = {'scalars': {'loss': 1.0}}, tree(1)
        checkpoints.save(1, arrays, meta)
        meta['scalars']['loss'] = 2.0
        arrays['a'] += 1
        checkpoints.wait()
        _, restored, kept = checkpoints.restore(TREE)
    assert kept == {'scalars': {'loss': 1.0}}
    np.testing.assert_array_equal(restored['a'], tree(1)['a'])


@pytest.mark.parametrize(
    ('wanted', 'message'),
    [
        (
            {**TREE, 'a': np.zeros(4, np.float32)},
            r'a is float32\[5000\], and should be float32\[4\]',
        ),
        ({**TREE, 'b': {}}, r'b\.c is int32\[\], and should be absent'),
        ({**TREE, 'd': np.zeros(2)}, r'd is absent, and should be float64\[2\]'),
    ],
)
def test_arrays_of_another_shape_are_no_damage(three, tmp_path, caplog, wanted, message):
    folder = shutil.copytree(three, tmp_path / 'copy')
    with Checkpoints(folder, keep=3) as checkpoints:
        with pytest.raises(UserError, match=rf"/3 does not fit the config's networks: {message}"):
            checkpoints.restore(wanted)
        assert checkpoints.steps() == [1, 2, 3]
    assert 'damaged' not in caplog.text
