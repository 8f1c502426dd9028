"""Directions of latents: planes, walks and what they change, of images drawn in closed form."""

import json
import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
import runs

from gan_jax import config as configs
from gan_jax import pictures
from gan_jax.algorithms.protocol import Maker, Space
from gan_jax.core import strokes
from gan_jax.data import Field, Spec
from gan_jax.errors import UserError
from gan_jax.nn.dense import Dense
from gan_jax.training import attributes, directions, factorisation
from gan_jax.training.attributes import Attributes
from gan_jax.training.directions import Walks
from gan_jax.training.exploring import Explorer, Samples
from gan_jax.training.inference import Trained

DIM = 6
# Of latents these make strokes thicker, and lean: not at right angles to each other.
THICK = np.eye(DIM)[0]
LEAN = 0.6 * np.eye(DIM)[0] + 0.8 * np.eye(DIM)[1]


def bars(thick, lean):
    """Return a bar [n, 24, 24, 1] of a width of 4 pixels and more, that leans, for each number."""
    y, x = jnp.mgrid[:24, :24] - 11.5
    across = jnp.abs(x[None] + 0.2 * lean[:, None, None] * y[None])
    light = jnp.clip((4 + thick)[:, None, None] / 2 + 0.5 - across, 0, 1)
    return (light * (jnp.abs(y) < 9)[None])[..., None]


def draw(state, key, n):
    return jax.random.normal(key, (n, DIM))


def explorer(synthesize, classes=0):
    """Return the explorer of a generator of images in [0, 1]."""
    config = configs.base()
    config.model.classes = classes
    spec = Spec({'image': Field((24, 24, 1), 'float32', 'image', '[0,1]')})
    maker = Maker('image', None, spaces={'z': Space(draw, synthesize)})
    made = types.SimpleNamespace(makers=lambda: {'g': maker}, refine=lambda state, batches: state)
    return Explorer.of(Trained(config, spec, made, None, 0), '', None, {})


@pytest.fixture(scope='module')
def drawn():
    """Return the explorer of bars, and 1,000 samples with both attributes."""
    found = explorer(lambda state, z, label: bars(z @ THICK, z @ LEAN))
    both = Attributes.of(('thickness', 'slant'))
    return found, both, found.samples(1000, 0, both)


def test_the_slant_of_a_bar_is_its_slope_to_the_right():
    lean = np.array([-1.0, 0.0, 1.0, 2.0])
    found = strokes.slant(bars(jnp.zeros(4), jnp.asarray(lean)))
    np.testing.assert_allclose(found, 0.2 * lean, atol=0.02)
    assert strokes.slant(np.zeros((1, 8, 8, 1))) == 0
    line = np.zeros((1, 8, 8, 1))
    line[:, 3] = 1
    assert abs(strokes.slant(line)[0]) < 1e-3


@pytest.mark.parametrize('method', ['svm', 'means'])
def test_an_attribute_alone_has_the_direction_that_draws_it(drawn, method):
    _, _, samples = drawn
    for i, (name, truth) in enumerate((('thickness', THICK), ('slant', LEAN))):
        scores = samples.found.scores[:, i]
        ends = directions.groups(name, scores, np.median(scores), 0.25)
        found = directions.fit(name, samples.vectors, ends, directions.METHODS[method])
        assert found.vector @ truth > 0.95 and found.accuracy > 0.9
        assert np.linalg.norm(found.vector) == pytest.approx(1)


def test_others_are_projected_out_so_that_they_stay(drawn):
    found, both, samples = drawn
    start = samples.part(slice(40))
    walks = Walks(found, both, samples, start, steps=10, reach=2.0)
    apart = directions.of_attributes(samples, both, 'means', 0.25)
    thickness = walks.measure(apart[0])['attributes']
    assert thickness['thickness']['rising'] > 0.9 and thickness['thickness']['change'] > 2
    assert abs(thickness['slant']['change']) < 0.6
    plain = Attributes.of(('thickness',))
    alone = Samples(samples.latents, None, found.find(samples.latents, None, plain))
    (one,) = directions.of_attributes(alone, plain, 'means', 0.25)
    assert walks.measure(one)['attributes']['slant']['change'] > 1.5


def test_what_is_left_is_at_right_angles_to_all_others():
    random = np.random.default_rng(0)
    others = random.standard_normal((3, DIM))
    one = directions.Direction('x', random.standard_normal(DIM))
    left = directions.apart(one, others)
    np.testing.assert_allclose(others @ left, 0, atol=1e-12)
    assert np.linalg.norm(left) == pytest.approx(1)
    same = directions.Direction('x', others[1] - others[2])
    with pytest.raises(UserError, match="attribute 'x' has no direction of its own"):
        directions.apart(same, others)


def test_a_walk_moves_along_the_direction_alone(drawn):
    found, _, _ = drawn
    random = np.random.default_rng(1)
    latents = random.standard_normal((3, 2, DIM)).astype(np.float32)  # of two layers
    samples = Samples(latents, np.array([4, 5, 6]), None)
    walked, labels = found.walk(samples, LEAN, np.array([-1.0, 0.5]))
    assert labels.tolist() == [4, 4, 5, 5, 6, 6] and walked.dtype == np.float32
    mean = walked.reshape(3, 2, 2, DIM).mean(2)
    np.testing.assert_allclose(mean @ LEAN, [[-1, 0.5]] * 3, atol=1e-6)
    across = np.eye(DIM) - np.outer(LEAN, LEAN)
    moved = walked.reshape(3, 2, 2, DIM) - latents[:, None]
    np.testing.assert_allclose(moved @ across, 0, atol=1e-6)
    np.testing.assert_allclose(moved[:, :, 0], moved[:, :, 1], atol=1e-6)


def test_changes_and_kept_classes_in_closed_form():
    scores = np.array([[0.0, 1, 2], [2, 1, 0], [0, 1, 1], [0, 2, 1]])
    found = directions.changes(scores, 2.0)
    assert found == {'rising': 0.25, 'falling': 0.25, 'change': pytest.approx((2 - 2 + 1 + 1) / 8)}
    classes = np.array([[1, 1, 1], [1, 2, 1], [3, 3, 3], [0, 0, 0]])
    kept = directions.kept_shares(classes, np.array([1, 1, 1, 0]))
    assert kept == {'walks': 0.5, 'images': pytest.approx(8 / 12)}


def test_groups_are_the_ends_on_their_side_of_the_border():
    scores = np.arange(100.0)
    low, high = directions.groups('x', scores, 50.0, 0.1)
    assert sorted(low) == [*range(10)] and sorted(high) == [*range(90, 100)]
    low, high = directions.groups('x', scores, 91.5, 0.1)
    assert sorted(high) == [*range(92, 100)] and len(low) == 10
    for border in (-1.0, 95.0):
        with pytest.raises(UserError, match=r"'x' has one class only: (100|4) of 100 samples have"):
            directions.groups('x', scores, border, 0.1)
    with pytest.raises(UserError, match=r'share=0.05 is not allowed: of 100 .* at least 0.08'):
        directions.groups('x', scores, 50.0, 0.05)


def test_classes_come_in_turn_or_as_asked():
    found = explorer(lambda state, z, label: bars(label.astype(jnp.float32), 0 * z[:, 0]), 3)
    thick = Attributes.of(('thickness',))
    samples = found.samples(5, 0, thick)
    assert samples.labels.tolist() == [0, 1, 2, 0, 1]
    first, second, third, *again = samples.found.scores[:, 0]
    assert first < second < third and again == [first, second]
    assert Explorer.of(found.trained, 'z', 2, {}).samples(3, 0, thick).labels.tolist() == [2, 2, 2]


def test_log_odds_are_those_of_the_probability():
    logits = np.array([[1.0, 2.0, -1.0], [0.0, 0.0, 0.0]])
    p = np.asarray(jax.nn.softmax(logits))[:, 1]
    np.testing.assert_allclose(attributes.log_odds(logits, 1), np.log(p / (1 - p)), rtol=1e-5)
    np.testing.assert_allclose(attributes.log_odds(logits[:1, :2], 1), [1.0])


class Small(nn.Module):
    """Read latents of one length or as they are, in two layers, and something else in a third."""

    normalise: bool

    @nn.compact
    def __call__(self, z, label=None):
        if self.normalise:
            z = z / jnp.linalg.norm(z, axis=-1, keepdims=True)
        x = Dense(7, name='first')(z)
        x = jax.nn.relu(x) * nn.sigmoid(Dense(7, False, name='second')(z))
        return Dense(24 * 24, name='out')(x).reshape(-1, 24, 24, 1)


@pytest.mark.parametrize('normalise', [False, True])
def test_sefa_is_of_the_layers_that_read_the_latents(normalise):
    network = Small(normalise)
    variables = network.init(jax.random.key(0), jnp.ones((1, DIM)))
    found = explorer(lambda state, z, label: network.apply(variables, z))
    samples = found.samples(4, 0, Attributes.of(()))
    kernels = [variables['params'][name]['kernel'] for name in ('first', 'second')]
    a = np.concatenate(kernels, 1) / (np.sqrt(DIM) if normalise else 1)
    np.testing.assert_allclose(factorisation.first_layers(found, samples), a, rtol=1e-3, atol=1e-5)
    first, *_, last = factorisation.sefa(found, samples, DIM)
    strongest, weakest = (np.linalg.norm(one.vector @ a) for one in (first, last))
    sizes = np.linalg.svd(a, compute_uv=False)
    np.testing.assert_allclose([strongest, weakest], sizes[[0, -1]], rtol=1e-3)


def test_sefa_needs_a_layer_that_reads_the_latents(drawn):
    found, _, samples = drawn
    with pytest.raises(UserError, match='method=sefa is not allowed: no fully connected layer'):
        factorisation.sefa(found, samples, 2)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Return a folder with a run of a GAN and one of a classifier that has learnt nothing."""
    folder = tmp_path_factory.mktemp('runs')
    runs.trained(runs.small(duration='40st'), folder / 'gan')
    network = {'model.classes': 10, 'model.classifier.widths': (4,)}
    runs.trained(runs.small('classifier', duration='1st', **network), folder / 'classifier')
    return folder


def test_the_mode_writes_pictures_a_video_and_numbers(folder, tmp_path):
    command = (
        f'--mode=directions --workdir={folder}/gan --samples=100 --num=9 --steps=4 --rows=2 '
        f'--frames=6 --out={tmp_path}'
    )
    given = f'--attributes=thickness,slant --classifiers={folder}/classifier'
    status, out, err = runs.call(f'{command} {given}')
    assert status == 0, err
    assert out.count('of the samples held out') == 2
    assert pictures.read(tmp_path / 'slant.png').shape[:2] == pictures.grid_size(2, 5, 8, 8)
    with PIL.Image.open(tmp_path / 'thickness.gif') as movie:
        assert movie.n_frames == 6 and movie.info['loop'] == 0
    report = json.loads((tmp_path / 'directions.json').read_text())
    first, second = report['directions']
    assert (first['name'], second['name'], report['space']) == ('thickness', 'slant', 'z')
    assert set(first['attributes']) == {'thickness', 'slant'}
    assert list(first['kept']) == [f'{folder}/classifier']
    with np.load(tmp_path / 'directions.npz') as arrays:
        assert abs(arrays['thickness'] @ arrays['slant']) < 0.999
    status, out, err = runs.call(f'{command} --method=sefa --components=3')
    assert status == 0 and (tmp_path / 'component_2.gif').exists(), err


def test_an_attribute_with_one_class_only_is_refused(folder):
    # of ten classes none is more likely than all others to a network that has learnt nothing
    status, _, err = runs.call(
        f'--mode=directions --workdir={folder}/gan --samples=100 --num=4 --attributes=3 '
        f'--classifiers={folder}/classifier'
    )
    assert status == 2 and len(err.splitlines()) == 1
    assert "attribute '3' has one class only: 0 of 100 samples have it" in err
    assert not (folder / 'gan' / 'directions').exists()
