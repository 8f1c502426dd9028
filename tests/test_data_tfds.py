"""Data sets of tensorflow-datasets: CelebA as it is prepared, and what is refused."""

import http.server
import io
import pickle
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import zipfile

import numpy as np
import pytest
import runs
from conftest import ROOT
from PIL import Image

import launch
from gan_jax import data
from gan_jax.data import config
from gan_jax.data.preparation import download
from gan_jax.errors import UserError
from gan_jax.training.attributes import Attributes

FACES = {'train': 5, 'validation': 2, 'test': 2}


def opened(**keys):
    return data.open_source({**data.defaults(), 'name': 'tfds', **keys})


def face(raw):
    """Return a face as CelebA has it: a JPEG of 218x178."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(raw)).resize((178, 218)).save(buffer, 'JPEG', quality=95)
    return buffer.getvalue()


@pytest.fixture(scope='module')
def celeb_a(data_file, tmp_path_factory):
    """Prepare celeb_a by its own builder, of a few faces; attribute j of face i is (i + j) odd."""
    import tensorflow_datasets as tfds

    folder = tmp_path_factory.mktemp('tfds')
    builder = tfds.builder('celeb_a', data_dir=str(folder))
    features = builder.info.features
    with zipfile.ZipFile(data_file('celeba64_5k.zip')) as archive:
        faces = [face(archive.read(name)) for name in archive.namelist()[: sum(FACES.values())]]

    def examples(start, count):
        for i in range(start, start + count):
            yield (
                i,
                {
                    'image': io.BytesIO(faces[i]),
                    'attributes': {
                        k: (i + j) % 2 == 1 for j, k in enumerate(features['attributes'])
                    },
                    'landmarks': dict.fromkeys(features['landmarks'], i),
                    'identity': {'Identity_No': 100 + i},
                },
            )

    starts = np.cumsum([0, *FACES.values()])
    builder._split_generators = lambda downloads: {
        name: examples(int(start), n)
        for (name, n), start in zip(FACES.items(), starts[:-1], strict=True)
    }
    builder.download_and_prepare(file_format='array_record')
    return str(folder)


def test_the_main_command_runs_as_it_is_typed(celeb_a, tmp_path):
    command = [sys.executable, str(ROOT / 'launch.py'), '--config=configs/dcgan_celeba.py',
               f'--config.data.path={celeb_a}', f'--workdir={tmp_path}']  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # 25 epochs of the 5 faces of the split
    assert runs.result(tmp_path)['step'] == 2
    assert 'digest ' in done.stdout


def test_attributes_are_labels_with_names(celeb_a):
    keys = {'dataset': 'celeb_a', 'path': celeb_a, 'size': '64'}
    assert opened(**keys).spec.num_classes == 0
    for name in ('attributes.Young', 'Male', 'attributes.Eyeglasses'):
        source = opened(**keys, labels=name, split='validation')
        last = name.rpartition('.')[2]
        assert source.spec.classes == (f'not {last}', last)
        again = pickle.loads(pickle.dumps(source))
        labels = source.batch(np.arange(2))['label']
        assert sorted(labels) == [0, 1] and labels.dtype == np.int32
        assert [int(again[i]['label']) for i in range(2)] == labels.tolist()
    assert source.spec.shape == (64, 64, 3)


def test_a_classifier_of_an_attribute_scores_images_by_it(celeb_a, tmp_path):
    status, _, err = runs.call(
        f'--config=configs/classifier_celeba.py --config.data.path={celeb_a} --config.devices=1 '
        f'--config.data.labels=Male --config.batch_size=4 --config.duration=2st '
        f'--config.model.classifier.widths=4,4 --workdir={tmp_path}'
    )
    assert status == 0, err
    both = Attributes.of(('Male', 'not Male', 'thickness'), [str(tmp_path)])
    source = opened(dataset='celeb_a', path=celeb_a, size='64')
    found = both(source.batch(np.arange(5))['image'])
    assert found.scores.shape == (5, 3) and found.classes.shape == (5, 1)
    np.testing.assert_allclose(found.scores[:, 0], -found.scores[:, 1], rtol=1e-5)
    np.testing.assert_array_equal(found.scores[:, 0] > 0, found.classes[:, 0] == 1)
    assert both.others('Male') == [] and both.others('thickness') == [0]
    with pytest.raises(
        UserError, match=r"unknown attribute 'Young'; available: .*, not Male, Male"
    ):
        Attributes.of(('Young',), [str(tmp_path)])


@pytest.mark.parametrize(
    ('keys', 'message'),
    [
        ({'labels': 'attributes.Eyeglases'}, "Eyeglases' .did you mean 'attributes.Eyeglasses'"),
        (
            {'labels': 'identity.Identity_No'},
            "labels 'identity.Identity_No'.*available: auto, none",
        ),
        ({'column': 'img'}, "unknown config.data.column 'img' .* available: image"),
        ({'split': 'valid'}, "config.data.split='valid'"),
    ],
)
def test_wrong_names_are_refused(celeb_a, keys, message):
    with pytest.raises(UserError, match=message):
        opened(dataset='celeb_a', path=celeb_a, **keys)


def test_what_is_not_read_is_said_and_what_is_asked_for_is_delivered(celeb_a, capsys):
    keys = {'dataset': 'celeb_a', 'path': celeb_a, 'size': '64'}
    plain = opened(**keys)
    assert list(plain.spec.fields) == ['image']
    assert (
        'not read of celeb_a: attributes (40), identity, landmarks (10); --config.data.fields=all'
        in capsys.readouterr().err
    )
    source = opened(**keys, labels='Male', fields='attributes, identity')
    assert 'not read of celeb_a: landmarks (10);' in capsys.readouterr().err
    fields = source.spec.fields
    assert list(fields) == ['image', 'label', 'attributes', 'identity']
    assert (fields['attributes'].shape, fields['attributes'].dtype) == ((40,), 'bool')
    assert fields['identity'].kind == 'value' and fields['identity'].dtype == 'int32'
    batch = source.batch(np.arange(5))
    male = list(source.more['attributes'].names).index('attributes.Male')
    np.testing.assert_array_equal(batch['attributes'][:, male], batch['label'])
    assert sorted(batch['identity'].ravel()) == list(range(100, 105))
    with pytest.raises(UserError, match=r"config.data.fields 'attribute' .did you mean"):
        opened(**keys, fields='attribute')


def test_the_number_of_examples_is_that_of_the_split(celeb_a, tmp_path):
    keys = {**data.defaults(), 'name': 'tfds', 'dataset': 'celeb_a', 'path': celeb_a}
    assert config.count({**keys, 'split': 'train'}) == FACES['train']
    assert config.count({**keys, 'split': 'train[:40%]'}) == 2
    with pytest.raises(UserError, match=r"config.data.split='nope'"):
        config.count({**keys, 'split': 'nope'})
    argv = ['launch.py', '--mode=dryrun', '--config=configs/dcgan_celeba.py', '--shape=64x64x3']
    with pytest.raises(UserError, match=r"write --shape=NxHxWxC .*'celeb_a' is not prepared"):
        launch.main([*argv, f'--config.data.path={tmp_path}'])


def test_a_path_that_does_not_exist_is_refused_at_once(tmp_path, capsys):
    argv = ['launch.py', '--config=configs/cgan_mnist.py', f'--config.data.path={tmp_path}/nowhere']
    assert launch.launch([*argv, f'--workdir={tmp_path}/run']) == 2
    said = capsys.readouterr().err
    assert said.count('\n') == 1 and f"config.data.path='{tmp_path}/nowhere' is no folder" in said
    assert not (tmp_path / 'nowhere').exists() and not (tmp_path / 'run').exists()


def test_without_a_network_nothing_is_retried(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    def unreachable(request, timeout):
        raise urllib.error.URLError('no network')

    def start(*args, **keys):
        raise AssertionError('downloads')

    monkeypatch.setattr(urllib.request, 'urlopen', unreachable)
    monkeypatch.setattr(tfds.core.DatasetBuilder, 'download_and_prepare', start)
    message = (
        r"'mnist' is not prepared .* and storage.googleapis.com cannot be reached .*: no network"
    )
    with pytest.raises(UserError, match=message):
        opened(dataset='mnist', path=str(tmp_path))


def test_a_server_that_says_no_is_reached_and_a_closed_port_is_not():
    class No(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_error(403)

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(('127.0.0.1', 0), No) as server:
        url = f'http://127.0.0.1:{server.server_port}/set.zip'
        threading.Thread(target=server.handle_request).start()
        assert download.reach(url) == ''
    assert 'refused' in download.reach(url)
