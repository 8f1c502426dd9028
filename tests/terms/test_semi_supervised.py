"""Semi-supervised: K + 1 classes, unknown labels, and the stream of the labelled examples."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import plays
import pytest
import runs
from test_steps import batches, tiny

from gan_jax.core.game import Verdict
from gan_jax.core.state import apply
from gan_jax.errors import UserError
from gan_jax.terms.semi_supervised import Term

KEY = jax.random.key(0)
K = {'model.d.auxiliary': 3, 'model.d.logit_from': 'classes'}


def test_the_logit_is_that_of_k_plus_one_classes():
    algorithm = tiny(**K)
    state = algorithm.init(KEY)
    verdict, _ = apply(algorithm.discriminator, state.nets['d'], batches(1)['image'][0], None)
    with_fake = jnp.concatenate([verdict.classes, jnp.zeros((16, 1))], axis=1)
    real = jax.nn.softmax(with_fake)[:, :-1].sum(axis=1)
    np.testing.assert_allclose(jax.nn.sigmoid(verdict.logits), real, rtol=1e-5)


def test_unknown_labels_cost_nothing():
    logits = jnp.array([[0.0, 0.0, 0.0], [9.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    play = plays.play(plays.images(0, (3, 2, 2, 1)), batch={'label': jnp.array([2, -1, -1])})

    def value(logits):
        return Term().share(play, None, Verdict(None, classes=logits), None)

    (loss, means), grad = value(logits), jax.grad(lambda x: value(x)[0])(logits)
    np.testing.assert_allclose(loss, np.log(3) / 3, rtol=1e-6)
    assert means['d_class_loss'].count == means['d_class_accuracy'].count == 1
    assert not grad[1:].any() and grad[0].any()


def test_labelled_examples_come_in_a_stream_of_their_own():
    labels = {'label': jnp.full(4, -1), 'labelled_label': jnp.arange(4) % 3}
    play = plays.play(batch={'labelled': 2 * plays.images(3), **labels})

    def d(x, label, draws):
        assert draws == 'labelled' and label is None and (x == 2 * plays.images(3)).all()
        return Verdict(None, classes=100 * jax.nn.one_hot(labels['labelled_label'], 3))

    view = plays.view(None)
    view.d = d
    value, means = plays.share(Term(), play, view, Verdict(None), None)
    assert value == 0 and means['d_class_accuracy'] == 1


def few(**changes):
    """Return the config of a run on digits, 20 of which have labels."""
    heads = {'model.d.auxiliary': 10, 'model.d.logit_from': 'classes', 'model.d.noise': 0.1}
    both = {'semi_supervised': {}, 'feature_matching': {}}
    given = {'terms': both, 'data.labelled': 20, 'duration': '20st', 'checkpoint.every': '5st'}
    return runs.small(**heads, **given, **changes)


def test_a_run_with_few_labels_is_exact(monkeypatch, tmp_path):
    whole = runs.trained(few(), tmp_path / 'whole')
    runs.interrupted(monkeypatch, few(), tmp_path / 'cut', 8)
    assert runs.trained(few(), tmp_path / 'cut') == whole
    streamed = few(**{'data.device_cache_mb': 0})
    assert runs.trained(streamed, tmp_path / 'streamed') == whole
    other = few(**{'data.labelled_draw': 1})
    assert runs.trained(other, tmp_path / 'other') != whole


def test_the_accuracy_is_measured_on_labelled_examples():
    algorithm = tiny(**K, terms={})
    algorithm = dataclasses.replace(algorithm, terms=(Term(),))
    state = algorithm.init(KEY)
    image = batches(1)['image'][0]
    found, _ = apply(algorithm.discriminator, state.nets['d'], image, None, train=False)
    label = jnp.where(jnp.arange(16) < 10, found.classes.argmax(-1), -1)
    means = algorithm.validate(state, {'image': image, 'label': label}, KEY)
    accuracy = means['class_accuracy']
    assert (accuracy.total, accuracy.count) == (10, 10)
    assert algorithm.validate(state, {'image': image}, KEY) == {}


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'model.d.auxiliary': 7}, r'needs the 0 classes of the data, but model\.d\.auxiliary=7'),
        ({'model.d.auxiliary': 0}, r'reads classes that model\.d does not return'),
    ],
)
def test_classes_have_to_be_those_of_the_data(changes, message):
    with pytest.raises(UserError, match=message):
        tiny(terms={'semi_supervised': {}}, **changes)
