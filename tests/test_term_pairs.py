"""Every pair of terms: it builds and takes a step, or is refused with the reason."""

import itertools
import re

import jax
import jax.numpy as jnp
import pytest
from test_steps import context

from gan_jax import config as configs
from gan_jax import models, terms
from gan_jax.data import image_spec
from gan_jax.errors import UserError

SHAPE, CLASSES, BATCH = (8, 8, 1), 3, 8
NAMES = terms.names()
PAIRS = list(itertools.combinations_with_replacement(NAMES, 2))

# What a term needs of a game, beside what every game has.
NEEDS = {
    'auxiliary_classifier': {'g': 'cgan.Generator', 'd.auxiliary': CLASSES, 'classes': CLASSES},
    'semi_supervised': {'d.auxiliary': CLASSES, 'd.logit_from': 'classes'},
    'mutual_information': {'d.code': 12},
    'path_length': {'g': 'stylegan2.Generator'},
}
# Of each generator, what makes it small.
GENERATORS = {
    'mlp.Generator': {'hidden': (4,)},
    'cgan.Generator': {'widths': (4,), 'norm': 'none'},
    'stylegan2.Generator': {'w_dim': 4, 'layers': 1, 'width': 4},
}
# Keys of terms that their defaults do not suffice for.
OPTIONS = {'ada': {'p': 0.5}}
# Why two terms cannot be in one game.
EACH = r'needs a verdict on each image'
REFUSED = {
    ('auxiliary_classifier', 'packing'): EACH + r'|packed images have several labels',
    ('mutual_information', 'packing'): EACH,
    ('packing', 'semi_supervised'): EACH,
}


def game(*names, **changes):
    """Build a small game of some terms, with what they need."""
    needs = {k: v for name in names for k, v in NEEDS.get(name, {}).items()} | changes
    config = configs.base()
    config.update({'batch_size': BATCH, 'devices': 1, 'duration': '100st'})
    d = {'name': 'mlp.Discriminator', 'hidden': (4,)}
    d |= {key[2:]: value for key, value in needs.items() if key.startswith('d.')}
    g = {'name': needs.get('g', 'mlp.Generator'), 'z_dim': 4}
    g |= GENERATORS[g['name']]
    config.model = models.node('mlp', prior='normal', classes=needs.get('classes', 0), g=g, d=d)
    config.terms = {name: OPTIONS.get(name, {}) for name in names}
    config.loss.name = changes.get('loss', 'nonsaturating')
    config.accumulate = changes.get('accumulate', 1)
    configs.validate(config)
    spec = image_spec(SHAPE, classes=map(str, range(CLASSES)))
    return configs.algorithm(config).build(configs.resolve(config, 100), spec)


def step(algorithm):
    """Take an abstract step; return the metrics."""
    state = jax.eval_shape(algorithm.init, jax.random.key(0))
    batch = {'image': jnp.zeros((BATCH, *SHAPE)), 'label': jnp.zeros(BATCH, jnp.int32)}
    after, metrics = jax.eval_shape(algorithm.train_step, state, batch, context(jax.random.key(0)))
    shapes = [jax.tree.map(lambda x: (x.shape, x.dtype), s) for s in (state, after)]
    assert shapes[0] == shapes[1]
    return metrics


@pytest.mark.parametrize('pair', PAIRS, ids='+'.join)
def test_a_pair_takes_a_step_or_is_refused(pair):
    names = tuple(dict.fromkeys(pair))
    if pair in REFUSED:
        with pytest.raises(UserError, match=REFUSED[pair]):
            game(*names)
        return
    metrics = step(game(*names))
    for term in terms.build({name: {} for name in names}):
        adds = type(term).share is not terms.protocol.Term.share
        assert not adds or len(metrics) > len(step_alone())


def step_alone(found=[]):  # noqa: B006
    """Return the metrics of a game without terms, once."""
    found[:] = found or [step(game())]
    return found[0]


PER_EXAMPLE = [name for name in NAMES if terms.find(name).per_example]
OVER_BATCH = [name for name in NAMES if terms.find(name).over_batch]


@pytest.mark.parametrize('name', PER_EXAMPLE)
def test_a_gradient_of_each_example_needs_a_critic_without_batch_norm(name):
    message = rf"model\.d\.norm='batch' is not allowed with terms\.{name}: an example's gradient"
    with pytest.raises(UserError, match=message):
        game(name, **{'d.norm': 'batch'})


def test_ada_needs_a_target_or_a_p(monkeypatch):
    monkeypatch.delitem(OPTIONS, 'ada')
    with pytest.raises(UserError, match=r'terms\.ada has neither a target'):
        game('ada')


def test_path_length_needs_a_generator_with_w():
    with pytest.raises(UserError, match=r'terms\.path_length needs a generator that makes w of z'):
        game('path_length', g='mlp.Generator')


@pytest.mark.parametrize('name', OVER_BATCH)
def test_statistics_of_a_batch_are_not_taken_of_pieces(name):
    message = rf'accumulate=2 is not allowed with terms\.{name}, .*statistics of the whole batch'
    with pytest.raises(UserError, match=message):
        game(name, accumulate=2)


@pytest.mark.parametrize('name', NAMES)
def test_a_term_goes_with_every_loss(name):
    for loss in ('wasserstein', 'relativistic', 'relativistic_average_hinge'):
        assert re.search('d_loss', ' '.join(step(game(name, loss=loss))))


def test_which_terms_there_are():
    assert {'dragan', 'feature_matching', 'path_length'} <= set(OVER_BATCH)
    assert {'r1', 'r2', 'approximate_r1', 'approximate_r2', 'gradient_penalty'} <= set(PER_EXAMPLE)
