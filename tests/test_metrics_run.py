"""Metrics on sets of images and on generators: certificates, the cache, the command line."""

import json

import numpy as np
import pytest
from PIL import Image

from gan_jax import config as configs
from gan_jax import data, models
from gan_jax.core import optim
from gan_jax.errors import UserError
from gan_jax.metrics import __main__ as program
from gan_jax.metrics import certificate, evaluators, features, sets
from gan_jax.metrics.comparison import compare_generator, compare_sets
from gan_jax.metrics.evaluators.protocol import title
from gan_jax.metrics.features import cache as kept
from gan_jax.metrics.features.extract import extract
from gan_jax.metrics.features.protocol import Extractor
from gan_jax.metrics.measurement import Protocol, Reference
from gan_jax.models.classifier import Classifier
from gan_jax.train import train
from gan_jax.training import inference

FIELDS = (
    'metric', 'value', 'standard_error', 'standard_error_over', 'version', 'parameters', 'real',
    'fake', 'features', 'generator', 'seed', 'repeats', 'packages', 'hardware', 'seconds',
)  # fmt: skip
SMALL = {'kid': {'subsets': 3, 'subset_size': 10}, 'is': {'splits': 2}}
EVERY = ('fid', 'kid', 'mmd2', 'prdc', 'swd', 'is', 'fid-per-class', 'label-accuracy',
         'class-coverage')  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Keep the tests out of the user's cache."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path / 'cache' / 'gan_jax'


def mean_colours(name='classifier', calls=None, fid=None):
    """Make an extractor that needs no network: means of rows, and ten of them as logits."""

    def apply(images):
        if calls is not None:
            calls.append(len(images))
        rows = images.astype(np.float32).mean((2, 3)) / 255
        return rows, np.tile(rows, (1, 3))[:, :10]

    resize = 'none' if fid is None else 'legacy'
    return Extractor(name, resize, 'f' * 64, 'none', apply, fid)


def protocol(*metrics, **numbers):
    """Return a protocol with small options of its metrics."""
    return Protocol.of({'metrics': metrics, **SMALL, **numbers})


def digits(**keys):
    return sets.open_set('digits', **keys)


def image_set(images, labels=None):
    class Source:
        spec = data.image_spec(
            images.shape[1:], str(images.dtype), map(str, range(10)), labelled=labels is not None
        )

        def __len__(self):
            return len(images)

        def __getitem__(self, i):
            return {'image': images[i]} | ({} if labels is None else {'label': labels[i]})

    return sets.ImageSet('made', '', Source(), '[0,1]')


class TestSets:
    def test_the_same_pixels_have_the_same_digest_however_they_are_stored(self, tmp_path):
        images = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 3), np.uint8)
        np.save(tmp_path / 'x.npy', images)
        (tmp_path / 'folder').mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / 'folder' / f'{i}.png')
        found = [sets.open_set(str(tmp_path / name)) for name in ('x.npy', 'folder')]
        digests = [sets.digest(s.batches(np.arange(5), size)) for s in found for size in (2, 5)]
        assert len(set(digests)) == 1
        images[3, 2, 1, 0] ^= 1
        np.save(tmp_path / 'x.npy', images)
        other = sets.open_set(str(tmp_path / 'x.npy'))
        assert sets.digest(other.batches(np.arange(5), 2)) != digests[0]

    def test_conversions_to_uint8(self):
        deep = np.array([0, 257, 65535], np.uint16)
        np.testing.assert_array_equal(sets.to_uint8(deep), [0, 1, 255])
        floats = np.array([-1, 0, 1], np.float32)
        np.testing.assert_array_equal(sets.to_uint8(floats, '[-1,1]'), [0, 128, 255])
        np.testing.assert_array_equal(sets.to_uint8(floats[1:], '[0,1]'), [0, 255])
        with pytest.raises(UserError, match='NaN'):
            sets.to_uint8(np.array([np.nan]))

    def test_a_choice_depends_on_the_seed_alone(self):
        chosen = digits().choose(20, 3, 'fake')
        np.testing.assert_array_equal(chosen, digits().choose(20, 3, 'fake'))
        assert len(set(chosen)) == 20
        assert list(chosen) != list(digits().choose(20, 4, 'fake'))
        with pytest.raises(UserError, match='5000 images wanted, but fake digits has 1797'):
            digits().choose(5000, 0, 'fake')

    def test_a_damaged_image_is_named(self, tmp_path):
        for i in range(2):
            Image.effect_noise((32, 32), 50).save(tmp_path / f'{i}.png')
        content = (tmp_path / '1.png').read_bytes()
        (tmp_path / '1.png').write_bytes(content[: len(content) // 2])
        with pytest.raises(UserError, match=r'cannot read 1\.png: .* of /'):
            list(sets.open_set(str(tmp_path)).batches(np.arange(2), 2))

    def test_a_field_that_holds_no_images_is_refused(self):
        with pytest.raises(
            UserError, match="unknown field of images in digits 'label'; available: "
        ):
            sets.ImageSet.of('digits', '', digits().source, '[0,1]', 'label')


class TestFeatures:
    def test_nan_names_the_image(self):
        def apply(images):
            result = images.reshape(len(images), -1).astype(np.float32)
            result[result.sum(1) == 0] = np.nan
            return result, result[:, :0]

        images = np.ones((9, 2, 2, 1), np.uint8)
        images[7] = 0
        extractor, made = Extractor('classifier', 'none', '', '', apply), image_set(images)
        with pytest.raises(UserError, match='example 7 of made has features with NaN'):
            extract(extractor, made.batches(np.arange(9), 4), made.image_name)

    def test_the_cache_is_by_content_network_and_resizer(self, cache):
        calls = []
        extractor, images = mean_colours(calls=calls), digits()
        first, digest = kept.reference(extractor, images, np.arange(50), 16)
        n = len(calls)
        again, same = kept.reference(extractor, images, np.arange(50), 16)
        assert (len(calls), same) == (n, digest)
        np.testing.assert_array_equal(first.features, again.features)
        np.testing.assert_array_equal(first.labels, again.labels)
        kept.reference(extractor._replace(resize='clean'), images, np.arange(50), 16)
        kept.reference(extractor._replace(sha256='0'), images, np.arange(50), 16)
        kept.reference(extractor, images, np.arange(49), 16)
        assert len(list((cache / 'features').iterdir())) == 4

    def test_a_broken_cache_file_is_computed_anew(self, cache):
        extractor, images = mean_colours(), digits()
        first, _ = kept.reference(extractor, images, np.arange(20), 16)
        (path,) = (cache / 'features').iterdir()
        path.write_bytes(path.read_bytes()[:100])
        again, _ = kept.reference(extractor, images, np.arange(20), 16)
        np.testing.assert_array_equal(first.features, again.features)

    def test_an_interrupted_extraction_leaves_no_cache(self, cache):
        def apply(images):
            raise KeyboardInterrupt

        extractor = mean_colours()._replace(apply=apply)
        with pytest.raises(KeyboardInterrupt):
            kept.reference(extractor, digits(), np.arange(20), 16)
        assert not cache.exists()


class TestCertificates:
    def run(self, fake=None, **keys):
        chosen = {'metrics': EVERY, 'num': 60, 'num_real': 90, **SMALL, **keys}
        return compare_sets(digits(), fake or digits(), mean_colours(), Protocol.of(chosen))

    def test_every_result_says_what_it_depends_on(self):
        results = {r['metric']: r for r in self.run()}
        assert {'classifier-frechet', 'classifier-kid', 'classifier-score'} <= set(results)
        for result in results.values():
            assert set(result) == set(FIELDS)
            assert (result['real']['count'], result['fake']['count']) == (90, 60)
            assert len(result['real']['digest']) == 64
        assert results['classifier-kid']['standard_error_over'] == 'subsets'
        assert results['classifier-score']['standard_error_over'] == 'splits'
        assert results['classifier-frechet']['standard_error'] is None

    def test_the_same_command_gives_the_same_bytes_but_for_the_seconds(self):
        runs = [self.run() for _ in range(2)]
        for result in runs[0] + runs[1]:
            assert result.pop('seconds') >= 0
        assert certificate.encode(runs[0]) == certificate.encode(runs[1])

    def test_repeats_give_a_standard_error(self):
        single = self.run(metrics=('fid',))
        (result,) = self.run(metrics=('fid',), repeats=3)
        assert result['standard_error_over'] == 'repeats'
        assert result['standard_error'] > 0
        assert result['value'] != single[0]['value']

    def test_identical_sets_are_zero(self):
        results = self.run(num=0, num_real=0, metrics=('fid', 'kid', 'mmd2', 'swd'))
        assert [r['value'] for r in results] == [0.0] * 4

    def test_too_few_images_are_refused_before_anything_is_computed(self):
        def apply(images):
            raise AssertionError

        extractor = mean_colours()._replace(apply=apply)
        protocol = Protocol.of({'metrics': ('kid',), 'num': 90, 'num_real': 999})
        with pytest.raises(UserError, match='kid needs at least 1000 images; real has 999'):
            compare_sets(digits(), digits(), extractor, protocol)

    def test_comparable_numbers_are_compared(self):
        (a,), (b,) = (
            self.run(metrics=('fid',), repeats=2),
            self.run(metrics=('fid',), repeats=2, seed=9),
        )
        b['real'] = a['real']
        result = certificate.compare(a, b)
        assert result['difference'] == b['value'] - a['value']
        assert result['standard_error'] > 0

    @pytest.mark.parametrize(
        'path', ['real.digest', 'real.count', 'fake.count', 'features.resize', 'features.sha256',
                 'features.network', 'version', 'generator.options', 'parameters']
    )  # fmt: skip
    def test_different_protocols_are_refused_by_name(self, path):
        (a,), (b,) = self.run(metrics=('fid',)), self.run(metrics=('fid',))
        *parents, leaf = path.split('.')
        node = b
        for key in parents:
            node = node[key]
        node[leaf] = 'other'
        with pytest.raises(UserError, match=path.replace('.', r'\.')):
            certificate.compare(a, b)


def test_names_hold_network_and_resizer():
    fid, metric = mean_colours('inception', fid=''), evaluators.build(['fid'], {})['fid']
    assert title('fid', metric, fid) == 'fid-legacy'
    assert title('fid', metric, fid._replace(resize='clean')) == 'fid-clean'
    assert title('fid', metric, mean_colours('inception768', fid='768')) == 'fid768-legacy'
    assert title('fid-per-class', metric, fid) == 'fid-per-class-legacy'
    assert title('fid', metric, mean_colours()) == 'classifier-frechet'
    other = mean_colours('vgg16')._replace(resize='clean')
    assert title('fid', metric, other) == 'vgg16-frechet-clean'
    assert title('kid', metric, other) == 'vgg16-kid-clean'


class TestGenerator:
    def images(self, seed, number, n, labels):
        rng = np.random.default_rng([seed, number])
        return rng.integers(0, 256, (n, 8, 8, 1), np.uint8)

    def test_a_generator_is_measured_again_and_again(self):
        calls = []
        chosen = protocol('fid', 'prdc', num=40, num_real=60, batch_size=16)
        reference = Reference(digits(), mean_colours(calls=calls), chosen)
        first = compare_generator(reference, self.images, {'step': 1})
        n = len(calls)
        again = compare_generator(reference, self.images, {'step': 3, 'ema': True})
        assert [r['value'] for r in again] == [r['value'] for r in first]
        # the reference is not computed again
        assert len(calls) - n == 3
        about = {'step': 3, 'ema': True, 'digest': None, 'maker': None, 'options': None}
        assert again[0]['generator'] == about
        assert again[0]['fake']['count'] == 40

    def test_unknown_labels_are_asked_of_nobody(self):
        labels = np.where(np.arange(60) % 3, -1, 4).astype(np.int32)
        images = np.zeros((60, 8, 8, 1), np.uint8)
        asked = []

        def sample(seed, number, n, labels):
            asked.extend(labels)
            return np.zeros((n, 8, 8, 1), np.uint8)

        chosen = protocol('label-accuracy', num=40, batch_size=16)
        reference = Reference(image_set(images, labels), mean_colours(), chosen)
        compare_generator(reference, sample, {}, labelled=True)
        assert set(asked) == {4}

    def test_labels_follow_the_reference(self):
        asked = []

        def sample(seed, number, n, labels):
            asked.append(labels)
            return self.images(seed, number, n, labels)

        chosen = protocol('label-accuracy', num=40, batch_size=16)
        compare_generator(Reference(digits(), mean_colours(), chosen), sample, {}, labelled=True)
        assert [len(a) for a in asked] == [16, 16, 16]
        assert set(np.concatenate(asked)) <= set(range(10))


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Train a classifier of scikit-learn's digits."""
    config = configs.base()
    config.algorithm = 'classifier'
    config.data.update({'name': 'digits'})
    options = models.fields(Classifier, {'widths': (16, 32), 'hidden': 32})
    config.model = {'name': 'classifier', 'classes': 10, 'classifier': options}
    config.optim = {'classifier': {**optim.defaults(), 'lr': 1e-2, 'b1': 0.9}}
    config.batch_size, config.duration, config.devices = 128, '80st', 1
    for node in (config.log, config.sample, config.checkpoint):
        node.every = '80st'
    workdir = tmp_path_factory.mktemp('run') / 'classifier'
    train(config, workdir)
    return workdir


class TestClassifier:
    def test_it_learns_and_gives_the_metrics_of_its_name(self, run, tmp_path, capsys):
        out = tmp_path / 'out.json'
        status = program.main(
            ['digits', 'digits', '--features=classifier', f'--weights={run}', f'--out={out}',
             '--metrics=label-accuracy,class-coverage,fid,is', '--batch_size=599']
        )  # fmt: skip
        assert status == 0
        results = certificate.read(out)
        assert results['classifier-label-accuracy']['value'] > 0.95
        assert results['classifier-class-coverage']['value'] == 1
        assert results['classifier-score']['value'] > 8
        assert results['classifier-frechet']['value'] == 0
        assert 'classifier-frechet 0' in capsys.readouterr().out
        assert program.main(['compare', str(out), str(out)]) == 0
        assert json.loads(capsys.readouterr().out)[0]['difference'] == 0

    def test_other_sizes_and_other_runs_are_refused(self, run, tmp_path):
        extractor = features.make('classifier', '', str(run), inference.load)
        with pytest.raises(UserError, match=r'give --data\.size'):
            extractor.apply(np.zeros((1, 9, 8, 1), np.uint8))
        with pytest.raises(UserError, match='--weights='):
            features.make('classifier', '', '', inference.load)

    def test_stacked_counts_modes_by_channel(self, run, tmp_path):
        images = np.concatenate([b.images for b in digits().batches(np.arange(90), 90)])
        labels = np.concatenate([b.labels for b in digits().batches(np.arange(90), 90)])
        rgb = np.stack([images[:30, ..., 0], images[30:60, ..., 0], images[60:, ..., 0]], -1)
        np.save(tmp_path / 'x.npy', rgb)
        extractor = features.make('classifier', '', str(run), inference.load)
        made = sets.open_set(str(tmp_path / 'x.npy'))
        results = compare_sets(made, made, extractor, protocol('stacked'))
        truth = len(set(labels[:30] * 100 + labels[30:60] * 10 + labels[60:]))
        assert abs(results[0]['value'] - truth) <= 3
        assert results[0]['metric'] == 'classifier-stacked-modes'
        features_, logits = extractor.apply(rgb)
        parts = [extractor.apply(rgb[..., i : i + 1]) for i in range(3)]
        np.testing.assert_array_equal(features_, np.concatenate([f for f, _ in parts], axis=1))
        a, b, c = (logit.argmax(1) for _, logit in parts)
        np.testing.assert_array_equal(logits.argmax(1), 100 * a + 10 * b + c)

    def test_without_labels_there_is_no_classifier(self):
        module = configs.algorithm(configs.ConfigDict({'algorithm': 'classifier'}))
        config = configs.base()
        with pytest.raises(UserError, match='needs labels'):
            module.build(config, data.image_spec((8, 8, 1)))


def test_metrics_of_pixels_need_no_network(tmp_path, capsys):
    images = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)
    np.save(tmp_path / 'x.npy', images)
    argv = [str(tmp_path / 'x.npy')] * 2 + ['--metrics=pyramid', '--weights=nowhere.pth']
    assert program.main(argv) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(r['metric'], r['value']) for r in found] == [('pyramid-16', 0), ('pyramid-mean', 0)]
    assert found[0]['features']['network'] == 'none'


METRIC = '''
"""How much brighter or darker the fakes are."""

import dataclasses

from gan_jax.core import keys
from gan_jax.metrics.evaluators import protocol

VERSION = 1


@dataclasses.dataclass(frozen=True)
class Evaluator(protocol.Evaluator):
    """Compare mean pixels of the images."""

    pixels = True
    scale: float = keys.field(keys.number(1.0, 'Units of brightness.', above=0, learns=False))

    def __call__(self, pair):
        """Yield the difference."""
        real, fake = (x.mean() for x in pair.images())
        yield protocol.Value('brightness', self.scale * (fake - real), VERSION, {})
'''


def test_a_metric_is_one_new_file(tmp_path, monkeypatch, capsys):
    (tmp_path / 'brightness_difference.py').write_text(METRIC)
    monkeypatch.setattr(evaluators, '__path__', [*evaluators.__path__, str(tmp_path)])
    assert 'brightness-difference' in evaluators.names()
    out = tmp_path / 'out.json'
    argv = ['digits', 'digits', '--metrics=brightness-difference', '--num=90', f'--out={out}']
    argv += ['--brightness_difference.scale=-2']
    assert program.main(argv) == 2
    assert 'more than 0' in capsys.readouterr().err
    assert program.main([a.replace('=-2', '=2') for a in argv]) == 0
    value = certificate.read(out)['brightness']['value']
    assert capsys.readouterr().out == f'brightness {value:.6g}\n'
    assert configs.base().eval.brightness_difference.scale == 1.0


class TestCommandLine:
    @pytest.mark.parametrize(
        ('argv', 'message'),
        [
            (['digits'], 'required: fake'),
            (
                ['digits', 'digits', '--metrics=fd'],
                "unknown metric 'fd' (did you mean 'fid'?); available: ",
            ),
            (
                ['digits', 'digits', '--resize=lanczos'],
                "unknown --resize 'lanczos'; available: legacy",
            ),
            (['digits', 'digits', '--features=incepton'], "(did you mean 'inception'?)"),
            (['digits', 'digits', '--num=many'], "--num='many' is not allowed: it must be an int"),
            (['digits', 'digits', '--kid.subset_size=1'], 'must be an int, at least 2'),
            (['digits', 'digits', '--data.path=x', '--weights=y'], 'means nothing to the source'),
            (['digits', 'digits', '--weights=nowhere.pth'], "no weights file 'nowhere.pth'"),
            (['nowhere/at/all', 'digits'], "no file, folder or data set 'nowhere/at/all'"),
            (['compare', 'a.json'], 'two files'),
            (['compare', 'a.json', 'b.json'], 'a.json holds no certificates'),
            (['digits', 'digits', '--features=classifier'], 'the folder of a classifier'),
            (['digits', 'digits', '--numb=4'], 'unrecognized arguments'),
        ],
    )
    def test_mistakes_are_one_line_and_status_two(self, argv, message, capsys):
        assert program.main(argv) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith('error: ')
        assert message in captured.err
        assert captured.err.count('\n') == 1
        assert not captured.out
