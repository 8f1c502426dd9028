"""Sound and points through the unchanged loop, shown and written by their kinds."""

import wave
import zipfile

import chex
import numpy as np
import pytest
import runs
from PIL import Image
from scipy.io import wavfile

import launch
from gan_jax import data, kinds, train
from gan_jax.data import pipeline
from gan_jax.data.preparation import showing, write
from gan_jax.errors import UserError
from gan_jax.training import inference

RATE = 8000


def opened(**keys):
    return data.open_source({**data.defaults(), **keys})


def tone(folder, name, hertz, seconds=0.05, rate=RATE, dtype=np.int16, channels=1):
    """Write a WAV of one tone."""
    t = np.arange(round(seconds * rate)) / rate
    samples = 0.5 * np.sin(2 * np.pi * hertz * t)
    if dtype == np.int16:
        samples = samples * 2**15
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    wavfile.write(folder / name, rate, np.stack([samples.astype(dtype)] * channels, axis=1))


@pytest.fixture
def sounds(tmp_path):
    folder = tmp_path / 'sounds'
    for i in range(10):
        tone(folder, f'low/{i}.wav', 200 + 10 * i)
        tone(folder, f'high/{i}.wav', 1000 + 10 * i, dtype=np.float32)
    return folder


def test_sounds_are_cut_or_filled_up_and_labelled(sounds):
    source = opened(name='sound', path=str(sounds), length=500)
    assert source.spec.fields['sound'] == data.Field((500, 1), 'int16', 'audio', rate=RATE)
    assert source.spec.classes == ('high', 'low') and len(source) == 20
    low = source[source.names.index('low/0.wav')]
    assert int(low['label']) == 1 and low['sound'].dtype == np.int16
    assert (low['sound'][400:] == 0).all() and abs(int(low['sound'].max()) - 2**14) < 100
    assert opened(name='sound', path=str(sounds), length=100)[0]['sound'].shape == (100, 1)
    with zipfile.ZipFile(sounds.parent / 'sounds.zip', 'w') as archive:
        for file in sounds.rglob('*.wav'):
            archive.write(file, file.relative_to(sounds))
    again = opened(name='sound', path=str(sounds.parent / 'sounds.zip'), length=500)
    assert data.digest(again) == data.digest(source)


def test_bad_sounds_are_named(sounds):
    tone(sounds, 'low/x.wav', 100, rate=4000)
    (sounds / 'low/y.wav').write_bytes(b'RIFF')
    source = opened(name='sound', path=str(sounds))
    with pytest.raises(UserError, match=r'(?s)low/x.wav: has 4000 Hz .* low/y.wav: cannot be read'):
        data.read(source, data.defaults())
    with pytest.raises(UserError, match='holds no sounds'):
        (sounds.parent / 'empty').mkdir()
        opened(name='sound', path=str(sounds.parent / 'empty'))


def test_spoken_digits(data_file):
    pytest.importorskip('soundfile', reason='the extra sound is not installed')
    source = opened(name='sound', path=str(data_file('speech_digits.zip')))
    assert len(source) == 1200 and source.spec.num_classes == 10
    assert source.spec.fields['sound'].rate == 16_000 and source[7]['sound'].max() > 1000


def test_flac_without_its_library_names_the_extra(sounds, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'soundfile', None)
    (sounds / 'high/0.flac').write_bytes(b'fLaC')
    with pytest.raises(UserError, match=r"pip install 'gan_jax\[sound\]'"):
        opened(name='sound', path=str(sounds))


@pytest.mark.parametrize('name', ['points', 'sound'])
def test_other_kinds_are_prepared_and_described(name, sounds, tmp_path, capsys):
    keys = {'points': {'examples': 50}, 'sound': {'path': str(sounds), 'length': 400}}[name]
    source = opened(name=name, **keys)
    write.write_shards(source, tmp_path / 'set', {'source': name})
    again = opened(name='prepared', path=str(tmp_path / 'set'))
    assert again.spec == source.spec and data.digest(again) == data.digest(source)
    with Image.open(tmp_path / 'set' / 'preview.png') as picture:
        assert len(np.unique(np.asarray(picture))) == 2
    lines = showing.describe(write.gather(source), source.spec, len(source))
    shape = {'points': '2 (points), float32', 'sound': '400x1 (audio), int16'}[name]
    assert f'shape      {shape}' in lines


def test_sound_survives_the_device_and_the_file(tmp_path):
    kind, field = kinds.find('audio'), data.Field((2**16, 1), 'int16', 'audio', rate=RATE)
    every = np.arange(-(2**15), 2**15).astype(np.int16)[:, None]
    made = kind.preprocess(every[None], field, None, {})
    assert made.min() == -1 and made.max() < 1
    back = kind.final(np.asarray(made), kind.finished(field, {}))
    np.testing.assert_array_equal(back[0], every)
    kind.write(tmp_path / 'x.wav', back[0], field)
    rate, samples = wavfile.read(tmp_path / 'x.wav')
    np.testing.assert_array_equal(samples, every[:, 0])
    assert rate == RATE
    assert kind.final(np.asarray([2.0, -2.0, np.nan]), field).tolist() == [2**15 - 1, -(2**15), 0]


@pytest.mark.parametrize(('arrangement', 'n'), [('ring', 8), ('grid', 25)])
def test_points_lie_around_their_components(arrangement, n):
    keys = {'arrangement': arrangement, 'components': n, 'deviation': 0.05, 'examples': 5000}
    source = opened(name='points', **keys)
    batch = source.batch(np.arange(5000))
    assert source.spec.main == 'point' and source.spec.num_classes == n
    for label in range(n):
        mine = batch['point'][batch['label'] == label]
        assert len(mine) == 5000 // n
        np.testing.assert_allclose(mine.std(axis=0), 0.05, atol=0.01)
    centres = np.stack([batch['point'][batch['label'] == i].mean(axis=0) for i in range(n)])
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=-1)[~np.eye(n, dtype=bool)]
    assert apart.min() > 0.4 and np.abs(centres).max() < 1.05
    with pytest.raises(UserError, match='a grid has a square number'):
        opened(name='points', arrangement='grid', components=8)


def test_a_picture_of_points_has_a_dot_where_a_point_is():
    kind, field = kinds.find('points'), data.Field((2,), 'float32', 'points')
    shown = kind.picture(np.asarray([[1.0, 0.0], [0.0, 1.0]], np.float32), field)[..., 0]
    rows, columns = np.nonzero(shown == 0)
    assert len(rows) == 18 and shown.shape == (256, 256)
    right, top = columns > 200, rows < 60
    assert right.sum() == top.sum() == 9
    assert abs(rows[right].mean() - 127.5) < 2 and abs(columns[top].mean() - 127.5) < 2


def test_points_are_not_images():
    source = opened(name='points', examples=64)
    with pytest.raises(UserError, match='there are no images'):
        pipeline.make(source, data.defaults(), batch_size=8, seed=0, resolution=4)
    with pytest.raises(UserError, match=r"unknown kind 'pionts' .did you mean 'points'"):
        kinds.find('pionts')


def sample(folder, n):
    command = ['launch.py', '--mode=sample', f'--workdir={folder}', f'--out={folder}/made']
    assert launch.launch([*command, f'--num={n}']) == 0


def check_points(folder, trained):
    assert trained.sample(5).shape == (5, 2)
    sample(folder, 6)
    assert np.load(folder / 'made' / '00005.npy').shape == (2,)
    with Image.open(folder / 'made' / 'grid.png') as picture:
        assert picture.size == (256, 256)
        assert (np.asarray(picture) == 0).sum() >= 9


def check_sound(folder, trained):
    assert trained.sample(5).dtype == np.int16
    sample(folder, 4)
    for file in (folder / 'made' / '00003.wav', folder / 'samples' / '12.wav'):
        with wave.open(str(file)) as found:
            assert (found.getframerate(), found.getnchannels()) == (RATE, 1)
            # four of 400 samples, each followed by a tenth of a second
            assert found.getnframes() == (400 if 'made' in str(file) else 4 * (400 + 800))


@pytest.mark.parametrize(('name', 'check'), [('points', check_points), ('sound', check_sound)])
def test_other_kinds_train_resume_and_are_written(name, check, sounds, tmp_path, monkeypatch):
    def config():
        keys = {'points': {'examples': 200}, 'sound': {'path': str(sounds), 'length': 400}}[name]
        changes = {'data.name': name, **{f'data.{k}': v for k, v in keys.items()}}
        rest = {
            'duration': '12st',
            'loss.n_critic': 1,
            'checkpoint.every': '4st',
            'sample.every': '6st',
            'steps_per_call': 2,
        }
        return runs.small(**changes, **rest)

    want = runs.trained(config(), tmp_path / 'straight')
    runs.interrupted(monkeypatch, config(), tmp_path / 'cut', 6)
    assert runs.trained(config(), tmp_path / 'cut') == want
    pair = config()
    pair.devices = 2
    on_two = train.train(pair, tmp_path / 'two_devices')
    on_one = inference.load(tmp_path / 'straight').state
    chex.assert_trees_all_close(on_two.nets['g'].params, on_one.nets['g'].params, atol=1e-3)
    folder = tmp_path / 'straight'
    with Image.open(folder / 'samples' / '12.png') as picture:
        assert min(picture.size) > 90 and len(np.unique(np.asarray(picture))) == 2
    check(folder, inference.load(folder))
