"""Translation: networks, the pool, what each step may change, what is refused."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import test_steps
from test_models import count, shapes

from gan_jax import config as configs
from gan_jax import models
from gan_jax.algorithms.protocol import Context
from gan_jax.core import pool
from gan_jax.data import Field, Spec
from gan_jax.errors import UserError
from gan_jax.models import cyclegan, patchgan, unet

SHAPE = (8, 8, 3)
MODELS = {
    'cyclegan': models.node(
        'cyclegan',
        g={'width': 2, 'blocks': 1, 'halvings': 1, 'edge': 3},
        d={'width': 2, 'layers': 1},
    ),
    'pix2pix': models.node(
        'unet', g={'width': 2, 'halvings': 2, 'norm': 'instance'}, d={'width': 2, 'layers': 1}
    ),
}
FIELDS = {'cyclegan': ('a', 'b'), 'pix2pix': ('input', 'target')}
# pix2pix with terms of both players, of which some keep arrays in the state
TERMS = (
    'pix2pix',
    {
        'model.d.norm': 'none',
        'terms': {'r1': {}, 'r2': {}, 'lecam': {}, 'orthogonal': {}, 'instance_noise': {}},
    },
)


def built(name, shapes=(SHAPE, SHAPE), fields=None, model=None, **changes):
    """Return the procedure of a small config, by plain SGD."""
    config = configs.base(name)
    config.model = model or MODELS[name]
    config.batch_size = 16
    for optimiser in config.optim.values():
        optimiser.update({'name': 'sgd', 'lr': 0.1})
    with config.unlocked(), config.ignore_type():
        if 'terms' in changes:
            config.terms = changes.pop('terms')
        config.update_from_flattened_dict(changes)
    configs.validate(config)
    fields = fields or FIELDS[name]
    found = (Field(shape, 'float32', span='[-1,1]') for shape in shapes)
    spec = Spec(dict(zip(fields, found, strict=True)), fields[1])
    return configs.algorithm(config).build(configs.resolve(config, 100), spec)


def batches(name, steps=2, n=16, shapes=(SHAPE, SHAPE)):
    """Return random images of both fields for some steps."""
    draw = np.random.default_rng(0)
    return {
        field: draw.uniform(-1, 1, (steps, n, *shape)).astype(np.float32)
        for field, shape in zip(FIELDS[name], shapes, strict=True)
    }


def first(data):
    """Return the first batch."""
    return jax.tree.map(lambda x: jnp.asarray(x[0]), data)


def test_the_courses_networks_have_the_sizes_of_their_source():
    from configs import cyclegancourse_summer2winter as course

    node = course.get_config().model.to_dict()
    g, d = (models.build(node, part, (128, 128, 3)) for part in 'gd')
    variables, images = shapes(g, jnp.zeros((2, 128, 128, 3)))
    assert count(variables['params']) == 8_402_176 and images.shape == (2, 128, 128, 3)
    variables, found = shapes(d, jnp.zeros((2, 128, 128, 3)))
    assert count(variables['params']) == 2_790_144 and found.logits.shape == (2,)


@pytest.mark.parametrize(
    ('module', 'size'),
    [
        (cyclegan.Generator(shape=(16, 16, 5), width=2, blocks=1), (20, 36)),
        (cyclegan.Generator(shape=(16, 16, 5), width=2, blocks=1, edge=0, kernel=4), (20, 36)),
        (unet.Generator(shape=(16, 24, 5), width=2), (16, 40)),
    ],
)
def test_generators_take_other_sizes_than_those_of_training(module, size):
    module.check()
    assert module.padded(*size) == size == module.padded(size[0] - 1, size[1] - 2)
    variables, images = shapes(module, jnp.zeros((2, *module.shape[:2], 3)))
    assert images.shape == (2, *module.shape)
    other = jax.eval_shape(
        lambda v: module.apply(v, jnp.zeros((2, *size, 3)), train=False), variables
    )
    assert other.shape == (2, *size, 5)


def test_a_unet_is_as_deep_as_the_image_allows():
    for shape, levels in (((256, 256, 3), 8), ((512, 512, 3), 8), ((96, 64, 3), 5)):
        assert unet.Generator(shape=shape).levels() == levels


@pytest.mark.parametrize(('layers', 'field'), [(0, 1), (1, 16), (2, 34), (3, 70)])
def test_a_logit_sees_a_patch(layers, field):
    module = patchgan.Discriminator(shape=(96, 96, 1), width=1, layers=layers, norm='none')
    _, logits = shapes(module, jnp.zeros((2, 96, 96, 1)))
    assert logits.ndim == 3
    sizes = [(4, s) for _, s in module.stack()] + [(4, 1)] if layers else [(1, 1)]
    seen = 1
    for kernel, stride in reversed(sizes):
        seen = (seen - 1) * stride + kernel
    assert seen == field


def test_a_pool_fills_and_then_shows_old_images_for_half_of_the_new():
    def numbers(start, n):
        return jnp.arange(start, start + n, dtype=jnp.float32).reshape(n, 1, 1, 1) + 1

    state, shown = pool.exchange(pool.empty(6, (1, 1, 1)), numbers(0, 4), jax.random.key(0))
    np.testing.assert_array_equal(shown, numbers(0, 4))
    assert state['held'] == 4 and set(np.ravel(state['images'])) == {1, 2, 3, 4, 0}
    exchange, old, total = jax.jit(pool.exchange), 0, 0
    everything = set(range(1, 5))
    for i in range(1, 60):
        made = numbers(4 * i, 4)
        everything |= set(np.ravel(made).astype(int))
        state, shown = exchange(state, made, jax.random.key(i))
        if i > 1:
            old += int((np.ravel(shown) != np.ravel(made)).sum())
            total += 4
        assert set(np.ravel(shown).astype(int)) <= everything
        assert state['held'] == 6 and len(set(np.ravel(state['images']))) == 6
    assert 0.4 < old / total < 0.6


@pytest.mark.parametrize(('name', 'changes'), [*((name, {}) for name in FIELDS), TERMS])
def test_each_step_leaves_the_other_networks_as_they_are(name, changes):
    algorithm, batch = built(name, **changes), first(batches(name))
    state = algorithm.init(jax.random.key(0))
    generators = {'cyclegan': ['ab', 'ba'], 'pix2pix': ['g']}[name]
    others = sorted(state.nets.keys() - set(generators))
    fakes = {'fake_a': batch.get('b'), 'fake_b': batch.get('a')} if name == 'cyclegan' else {}
    for step, moving, still in (
        (algorithm.g_step, generators, others),
        (algorithm.d_step, others, generators),
    ):
        after, metrics = jax.jit(step)(state, {**batch, **fakes}, jax.random.key(1))
        for net in still:
            chex.assert_trees_all_equal(after.nets[net], state.nets[net])
        for net in moving:
            pairs = zip(*(jax.tree.leaves(s.nets[net].params) for s in (after, state)), strict=True)
            assert all((a != b).any() for a, b in pairs)
        assert all(np.isfinite(m.total) for m in metrics.values())


def test_four_devices_equal_one_and_have_the_same_pool():
    # one step: instance norm of few pixels makes much of the rounding of the one before
    algorithm, data = built('cyclegan', pool=10), batches('cyclegan')
    data = {name: values[:1] for name, values in data.items()}
    one, four = test_steps.run(algorithm, data), test_steps.run(algorithm, data, devices=4)
    assert one[0].aux['pool']['a']['held'] == four[0].aux['pool']['a']['held'] == 10
    chex.assert_trees_all_close(one[0], four[0], rtol=2e-4, atol=1e-5)


def test_dropout_is_the_noise_of_translations_too():
    algorithm = built('pix2pix')
    batch, state = first(batches('pix2pix', n=3)), algorithm.init(jax.random.key(0))
    (maker,) = algorithm.makers().values()
    make = jax.jit(maker.make, static_argnums=2)
    given = {'input': batch['input']}
    a, b = (make(state, jax.random.key(i), 3, given, None) for i in range(2))
    assert (a != b).any(axis=(1, 2, 3)).all()
    np.testing.assert_array_equal(a, make(state, jax.random.key(0), 3, given, None))
    still = built('pix2pix', **{'model.g.dropout': 0.0})
    (maker,) = still.makers().values()
    c, d = (maker.make(state, jax.random.key(i), 3, given, None) for i in range(2))
    np.testing.assert_array_equal(c, d)


@pytest.mark.parametrize(
    ('name', 'shapes', 'changes'),
    [
        ('cyclegan', ((8, 8, 1), (8, 8, 3)), {'loss.identity': 0.0, 'pool': 0}),
        ('cyclegan', (SHAPE, SHAPE), {'loss.name': 'relativistic_average'}),
        ('pix2pix', ((8, 8, 5), (8, 8, 1)), {'loss.name': 'hinge', 'ema.half_life': '10img'}),
        ('pix2pix', (SHAPE, SHAPE), {'loss.adversarial': 0.0}),
        ('pix2pix', ((8, 8, 5), (8, 8, 1)), TERMS[1]),
    ],
)
def test_channels_and_losses_of_all_kinds(name, shapes, changes):
    algorithm, data = built(name, shapes, **changes), first(batches(name, 1, 4, shapes))
    state = jax.eval_shape(algorithm.init, jax.random.key(0))

    def step(state, batch):
        context = Context(jax.random.key(0), algorithm.phases()[0])
        after, _ = algorithm.train_step(state, batch, context)
        picture = algorithm.grid(after, jax.random.key(0), batch)
        return after, picture, algorithm.validate(after, batch, jax.random.key(0))

    after, picture, means = jax.eval_shape(step, state, data)
    assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, state)
    rows = {'cyclegan': 6, 'pix2pix': 3}[name]
    assert picture.shape == (rows, 4, *shapes[1])
    assert means.keys() >= {{'cyclegan': 'cycle', 'pix2pix': 'l1'}[name]}


@pytest.mark.parametrize(
    ('name', 'given', 'text'),
    [
        ('cyclegan', {'fields': ('image', 'label')}, 'reads the fields a and b, as data.name=unp'),
        ('pix2pix', {'fields': ('a', 'b')}, 'reads the fields input and target, as data.name=pair'),
        ('cyclegan', {'shapes': ((8, 8, 1), SHAPE)}, 'loss.identity=0.5 is not allowed: a has 1'),
        ('pix2pix', {'shapes': ((8, 4, 3), SHAPE)}, 'input has images of 8x4, target of 8x8'),
        ('pix2pix', {'model.d.layers': 3}, 'too small for a discriminator of patches'),
        ('pix2pix', {'shapes': ((18, 16, 3),) * 2}, 'must be multiples of 4'),
        ('pix2pix', {'model.g.halvings': 1}, 'a U-Net of 1 halvings'),
        ('cyclegan', {'model.g.halvings': 3}, 'size 8x8 is too small .* takes 16 pixels'),
        ('cyclegan', {'model.g.edge': 4}, 'edge 4 is not allowed'),
        (
            'cyclegan',
            {'accumulate': 2, 'loss.name': 'relativistic_average'},
            "accumulate=2 is not allowed with loss.name='relativistic_average'",
        ),
        (
            'cyclegan',
            {'model': models.node('cyclegan', g='srgan.Generator', d={})},
            'model.g is srgan.Generator, which makes no images of images',
        ),
    ],
)
def test_what_does_not_fit_is_refused(name, given, text):
    with pytest.raises(UserError, match=text):
        built(name, **given)
