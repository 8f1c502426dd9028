"""What a term can do beside adding a loss: latents, pictures, validation, groups, both players."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_steps import SHAPE, batches, context, run, tiny

from gan_jax import config as configs
from gan_jax.core.state import Mean
from gan_jax.data import image_spec
from gan_jax.errors import UserError
from gan_jax.terms import protocol

KEY = jax.random.key(0)


def batch(n=16):
    return {'image': batches(1, n)['image'][0], 'label': jnp.arange(n) % 4}


def with_term(term, **changes):
    return dataclasses.replace(tiny(**changes), terms=(term,))


class Halves(protocol.Term):
    """Append the sign of the first latent, which alternates from column to column of a picture."""

    side = 'both'

    def latents(self, z, keys):
        return jnp.concatenate([z, jnp.sign(z[:, :1])], axis=1)

    def lay_out(self, z):
        return z.at[:, :, -1].set(jnp.arange(z.shape[1]) % 2)

    def share(self, play, view, real, fake):
        return 0.0, {f'{play.player}_share': Mean.of(play.z[:, -1] == jnp.sign(play.z[:, 0]))}

    def validate(self, real, batch, discriminate):
        verdict = discriminate(real, None)
        return {'rows': Mean.of(verdict.logits.shape[0] == batch['label'])}


def test_a_term_changes_latents_wherever_they_are_drawn():
    algorithm = with_term(Halves())
    state = algorithm.init(KEY)
    assert state.nets['g'].params['stem']['kernel'].shape[0] == 5
    z = algorithm.latents(state, KEY, 6)
    np.testing.assert_array_equal(z[:, 4], np.sign(z[:, 0]))
    np.testing.assert_array_equal(z[:3], algorithm.latents(state, KEY, 3))
    shown = jax.eval_shape(algorithm.grid, state, KEY, None)
    assert shown.shape == (8, 8, *SHAPE)


def test_a_term_of_both_players_knows_whose_update_it_is():
    algorithm = with_term(Halves())
    _, metrics = jax.jit(algorithm.train_step)(algorithm.init(KEY), batch(), context(KEY))
    for name in ('d_share', 'g_share'):
        assert metrics[name].total == metrics[name].count == 16


def test_a_term_measures_the_discriminator_on_held_out_examples():
    algorithm = with_term(Halves())
    means = algorithm.validate(algorithm.init(KEY), batch(), KEY)
    assert (means['rows'].total, means['rows'].count) == (0, 16)
    assert tiny().validate(algorithm.init(KEY), batch(), KEY) == {}


@pytest.mark.parametrize('changes', [{'devices': 2}, {'accumulate': 2}])
def test_a_step_of_the_generator_may_have_more_fakes(changes):
    data, more = batches(2), {'loss.g_batch': 3, 'loss.name': 'relativistic'}
    state, metrics = run(tiny(**more), data)
    assert [float(metrics[f'{k}_loss'].count) for k in 'dg'] == [32, 96]
    devices = changes.pop('devices', 1)
    other, _ = run(tiny(**more, **changes), data, devices=devices)
    chex.assert_trees_all_close(state, other, rtol=2e-4, atol=2e-5)
    assert state.images == 32


def test_every_fake_of_a_large_step_is_its_own():
    algorithm = tiny(**{'loss.g_batch': 2})
    seen = []
    sees = type('Sees', (protocol.Term,), {'see': lambda self, play: seen.append(play) or play})
    algorithm = dataclasses.replace(algorithm, terms=(sees(),))
    algorithm.g_step(algorithm.init(KEY), batch(), KEY)
    play = seen[-1]
    assert play.player == 'g' and len(play.fake) == 32
    assert len(np.unique(play.z[:, 0])) == 32
    np.testing.assert_array_equal(play.real[::2], play.real[1::2])


def build(**changes):
    config = configs.base()
    config.batch_size = 16
    config.devices = 1
    config.update_from_flattened_dict(changes)
    configs.validate(config)
    return configs.algorithm(config).build(configs.resolve(config, 100), image_spec((8, 8, 1)))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            {'loss.g_batch': 2, 'loss.reuse_z': True},
            r'loss\.g_batch=2 is not allowed with loss\.reuse_z: .*; available: 1',
        ),
        (
            {'loss.name': 'relativistic_average', 'accumulate': 2},
            "accumulate=2 is not allowed with loss.name='relativistic_average', whose means",
        ),
    ],
)
def test_games_that_cannot_be_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        build(**changes)


@pytest.mark.parametrize(
    ('piece', 'groups', 'refused'),
    [
        (8, {'terms.a': 2, 'model.d': 4}, ''),
        (8, {'terms.a': 1, 'model.d': 1}, ''),
        (4, {'terms.a': 2, 'model.d': 4}, r'terms\.a=2 x model\.d=4'),
        (7, {'terms.a': 1, 'model.d': 4}, r'pieces of 7 .* divide by model\.d=4'),
    ],
)
def test_groups_of_examples_do_not_straddle_pieces(piece, groups, refused):
    if not refused:
        protocol.check_groups(piece, groups)
        return
    with pytest.raises(UserError, match=refused):
        protocol.check_groups(piece, groups)


def test_what_a_term_reads_of_a_verdict_has_to_be_there():
    term = type('Reads', (protocol.Term,), {'reads': ('classes',)})()
    message = r'reads classes that model\.d does not return; set model\.d\.auxiliary'
    with pytest.raises(UserError, match=message):
        term.check(tiny())
    term.check(tiny(**{'model.d.auxiliary': 4}))


def test_one_linear_layer_of_the_last_features_for_each_head():
    algorithm = tiny(**{'model.d.auxiliary': 4, 'model.d.code': 3, 'model.d.logit_from': 'classes'})
    shapes = algorithm.verdict_shapes
    assert [x.shape for x in shapes] == [(16,), (16, 32), (16, 4), (16, 3)]
    state = jax.eval_shape(algorithm.init, KEY)
    assert 'logit' not in state.nets['d'].params
    with pytest.raises(UserError, match=r"logit_from='classes' is not allowed with .*auxiliary=0"):
        tiny(**{'model.d.logit_from': 'classes'})


def test_terms_of_both_players_and_slots_leave_the_other_net_as_it_is():
    both = {'lecam': {}, 'orthogonal': {'side': 'both'}, 'mutual_information': {}}
    algorithm = tiny(terms=both, **{'model.d.code': 12})
    state = algorithm.init(KEY)
    after_d, after_g = (
        jax.jit(step)(state, batch(), KEY)[0] for step in (algorithm.d_step, algorithm.g_step)
    )
    chex.assert_trees_all_equal(after_d.nets['g'], state.nets['g'])
    chex.assert_trees_all_equal(after_g.nets['d'], state.nets['d'])
    chex.assert_trees_all_equal(after_g.aux, state.aux)
    assert after_d.aux['lecam']['updates'] == 1
