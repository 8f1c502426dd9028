"""Published networks become runs: their images, what is refused of a file, and fine-tuning."""

import os
import pickletools
import struct
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import outside

import gan_jax
from gan_jax import config as configs
from gan_jax.core.pickles import networks
from gan_jax.core.pickles.standins import Storage, View
from gan_jax.errors import UserError
from gan_jax.models import stylegan2
from gan_jax.pretrained import __main__ as command
from gan_jax.pretrained import folder, names, reading, sizes
from gan_jax.training import beginning

RULES = {'G_ema': names.GENERATOR, 'D': names.DISCRIMINATOR}


def published(name):
    path = outside('GAN_JAX_PARITY', '../shared/parity') / name / 'network.pkl'
    if not path.exists():
        pytest.skip(f'no {path}; set GAN_JAX_PARITY to the folder that has it')
    return path


@pytest.mark.parametrize('name', ['stylegan2_32', 'stylegan2_64_cond'])
def test_a_published_file_becomes_a_run_with_its_weights(name, parity, tmp_path, capsys):
    assert command.main([str(published(name)), str(tmp_path / 'run')]) == 0
    assert f'--config.init={tmp_path / "run"} --config.model.classes=' in capsys.readouterr().out
    trained = gan_jax.load(tmp_path / 'run')
    readme, weights, ins, outs = parity(name)
    nets = trained.state.nets
    for net, found in (
        ('G', nets['g'].variables),
        ('G', nets['g'].ema),
        ('D', nets['d'].variables),
    ):
        own = {k[2:]: v for k, v in weights.items() if k.startswith(f'{net}.')}
        want = names.variables(names.GENERATOR if net == 'G' else names.DISCRIMINATOR, own)
        jax.tree.map(np.testing.assert_array_equal, dict(found), want)
    size = readme['constructor']
    assert trained.algorithm.generator.clamp == (size['conv_clamp'] or 0)
    assert trained.algorithm.discriminator.stddev_group == size['mbstd']
    space, options = trained.maker.spaces['z'], {'noise': 'const'}
    z = jnp.asarray(ins['z'][:2])
    label = ins['c'][:2].argmax(1) if size['c_dim'] else None
    images = jax.jit(lambda z: space.synthesize(trained.state, z, label, **options))(z)
    want = outs['img_const'][:2].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(images, want, rtol=0, atol=1e-4 * abs(want).max())


def planted(content, at, path):
    """Return a pickle that would make a folder where one of its opcodes stands."""
    call = b'cposix\nmkdir\n(X' + struct.pack('<I', len(path)) + path + b'tR0'
    return content[:at] + call + content[at:]


def test_a_planted_call_is_refused_wherever_it_is_and_not_run(tmp_path, capsys):
    content = published('stylegan2_32').read_bytes()
    path = os.fsencode(tmp_path / 'made')
    places = [at for _, _, at in pickletools.genops(content)][1:]
    inner = next(a for o, a, _ in pickletools.genops(content) if o.name == 'BINBYTES')
    nested = planted(inner, inner.index(b'}q\0('), path)
    files = [planted(content, at, path) for at in places[:: len(places) // 5]]
    files.append(
        content.replace(
            struct.pack('<I', len(inner)) + inner, struct.pack('<I', len(nested)) + nested
        )
    )
    for i, changed in enumerate(files):
        (tmp_path / f'{i}.pkl').write_bytes(changed)
        assert command.main([str(tmp_path / f'{i}.pkl'), str(tmp_path / 'run')]) == 2
        said = capsys.readouterr().err
        assert said.count('\n') == 1 and "'posix.mkdir'" in said
    assert not (tmp_path / 'made').exists() and not (tmp_path / 'run').exists()


def weights(rules, module, *inputs):
    """Return a state dict of a network, by the names that the published code would give them."""
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), *inputs, train=True))
    draw, found = np.random.default_rng(0), {}
    blocks = [f'b{4 * 2**i}' for i in range(module.doublings() + 1)]
    layers = ('conv0', 'conv1', 'skip')
    parts = ('weight', 'bias', 'affine.weight', 'affine.bias', 'noise_strength', 'noise_const')
    possible = ['mapping.w_avg', 'synthesis.b4.const']
    possible += [f'mapping.{a}.{b}' for a in ('embed', 'fc0', 'fc1') for b in ('weight', 'bias')]
    possible += [f'b4.{a}.{b}' for a in ('conv', 'fc', 'out') for b in ('weight', 'bias')]
    for prefix, image in (('', 'fromrgb'), ('synthesis.', 'torgb')):
        own = [f'{prefix}{block}.{layer}' for block in blocks for layer in (*layers, image)]
        possible += [f'{layer}.{part}' for layer in own for part in parts]
    there = {
        jax.tree_util.keystr(path, simple=True, separator='/'): leaf.shape
        for path, leaf in jax.tree_util.tree_leaves_with_path(shapes)
    }
    for name in possible:
        try:
            path, change = names.place(rules, name)
        except UserError:
            continue
        if path in there:
            found[name] = draw.normal(size=backwards(change, there[path])).astype(np.float32)
    assert len(found) == len(there)
    return found


def backwards(change, shape):
    """Return the shape that a change makes a shape of."""
    if change is names.conv:
        return (shape[3], shape[2], shape[0], shape[1])
    if change is names.const:
        return (shape[2], shape[0], shape[1])
    return shape[::-1] if change in (names.linear, names.from_channels) else shape


OPTIONS = {'shape': (16, 16, 3), 'width': 4, 'base': 32}


@pytest.fixture(scope='module', params=[('skip', 'residual', 0), ('residual', 'skip', 3)])
def state_dict(request):
    """Return the options of networks, and their state dict."""
    g, d, classes = request.param
    label = jnp.zeros(4, jnp.int32) if classes else None
    own = {**OPTIONS, 'num_classes': classes, 'layers': 2}
    generator = stylegan2.Generator(z_dim=5, w_dim=6, architecture=g, **own)
    discriminator = stylegan2.Discriminator(architecture=d, **own)
    both = {
        'G_ema': weights(names.GENERATOR, generator, jnp.zeros((4, 5)), label),
        'D': weights(names.DISCRIMINATOR, discriminator, jnp.zeros((4, 16, 16, 3)), label),
    }
    return (generator, discriminator), {
        f'{net}.{k}': v for net, own in both.items() for k, v in own.items()
    }


@pytest.mark.parametrize('suffix', ['.npz', '.safetensors'])
def test_a_state_dict_says_by_its_shapes_what_networks_it_is_of(state_dict, suffix, tmp_path):
    (generator, discriminator), arrays = state_dict
    path = tmp_path / f'weights{suffix}'
    if suffix == '.npz':
        np.savez(path, **arrays)
    else:
        pytest.importorskip('safetensors.numpy').save_file(arrays, path)
    folder.write(reading.read(path), tmp_path / 'run')
    trained = gan_jax.load(tmp_path / 'run')
    for found, want in ((trained.algorithm.generator, generator),
                        (trained.algorithm.discriminator, discriminator)):  # fmt: skip
        for key in ('shape', 'num_classes', 'width', 'base', 'architecture', 'layers'):
            if key != 'layers' or want is generator or want.num_classes:
                assert getattr(found, key) == getattr(want, key), key
    assert (trained.algorithm.generator.z_dim, trained.algorithm.generator.w_dim) == (5, 6)
    kernel = trained.state.nets['d'].params['logit']['kernel']
    np.testing.assert_array_equal(kernel, arrays['D.b4.out.weight'].T)


def test_a_generator_alone_gets_a_discriminator_that_has_not_learnt(state_dict):
    (generator, _), arrays = state_dict
    alone = {k[6:]: v for k, v in arrays.items() if k.startswith('G_ema.')}
    found = reading.by_network('x.npz', alone)
    assert list(found) == ['G_ema'] and found['G_ema'].weights is alone
    config, _ = folder.describe(found, '')
    assert config.model.d.width == config.model.g.width == 4
    assert config.model.classes == generator.num_classes


def without(name):
    return lambda arrays: arrays.pop(name)


def put(name, value):
    return lambda arrays: arrays.update({name: np.float32(value)})


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (without('G_ema.synthesis.b8.conv1.weight'), r'are of the sizes \[4, 16\], and should be'),
        (without('G_ema.mapping.fc0.weight'), 'no weight mapping.fc0.weight, which every'),
        (without('G_ema.synthesis.b8.conv0.bias'), r'conv_0.bias is absent, and should be float32'),
        (put('G_ema.synthesis.input.freqs', [1]), "unknown weight 'synthesis.input.freqs'"),
        (
            put('G_ema.synthesis.b16.conv1.bias', [1]),
            r'is float32\[1\], and should be float32\[2\]',
        ),
        (put('G_ema.synthesis.b8.conv1.weight', np.zeros((3, 4, 3, 3))), 'are not min'),
        (put('G_ema.synthesis.b8.conv1.bias', np.zeros((2, 2))), r'should be float32\[4\]'),
        (put('G_ema.synthesis.b8.resample_filter', np.ones((2, 2))), 'is not that of'),
        (put('D.b4.fc.weight', np.ones((3, 5))), 'no weight of a StyleGAN2'),
        (put('H.x', 0), 'is of none of the networks G, G_ema, D'),
    ],
)
def test_other_networks_are_refused_in_one_line(state_dict, change, message, tmp_path, capsys):
    _, arrays = state_dict
    arrays = dict(arrays)
    change(arrays)
    np.savez(tmp_path / 'x.npz', **arrays)
    assert command.main([str(tmp_path / 'x.npz'), str(tmp_path / 'run')]) == 2
    said = capsys.readouterr().err
    assert said.count('\n') == 1
    with pytest.raises(UserError, match=message):
        raise UserError(said.strip())
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'activation': 'relu'}, "activation='relu' is not supported; allowed: 'lrelu'"),
        ({'mapping_kwargs': {'lr_multiplier': 1}}, 'lr_multiplier=1 is not supported'),
        ({'margin_size': 10}, "no StyleGAN2 has the argument 'margin_size'"),
    ],
)
def test_arguments_that_our_networks_do_not_have_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        sizes.of_arguments(arguments, ('conv_clamp',))


def test_arguments_that_shapes_do_not_tell():
    given = {'synthesis_kwargs': {'conv_clamp': None, 'num_fp16_res': 2}, 'z_dim': 4}
    asked = ('conv_clamp', 'num_fp16_res', 'mbstd_group_size')
    assert sizes.of_arguments(given, asked) == {'clamp': 0, 'half': 2, 'stddev_group': 4}


def module(kind, **parts):
    return networks.Module(kind, parts)


@pytest.mark.parametrize(
    ('tree', 'message'),
    [
        (module('Generator', _modules=[1]), '_modules is no dictionary'),
        (module('Generator', _modules={'a': 1}), "'a' is no module"),
        (module('Generator', _buffers={'a': 1}), "'a' is no tensor"),
        (module('Generator', _init_kwargs=[]), 'arguments that are no dictionary'),
        (module('G', _parameters={'a': View(Storage('<f4', '0', 2), 0, (2,), (1,))}), 'has 0'),
    ],
)
def test_modules_that_hold_something_else_are_refused(tree, message):
    with pytest.raises(ValueError, match=message):
        networks.network(tree)


def test_modules_in_modules_without_end_are_refused():
    inner: dict = {}
    twice = module('Generator', _modules=inner)
    inner.update({'a': twice, 'b': twice})
    with pytest.raises((ValueError, RecursionError)):
        networks.network(twice)


def test_a_run_begins_with_the_networks_of_another(state_dict, tmp_path):
    _, arrays = state_dict
    read = reading.by_network('x.npz', {**arrays, 'G.mapping.fc0.bias': 0})
    read['G'] = read['G_ema']._replace(weights={**read['G_ema'].weights})
    read['G'].weights['mapping.w_avg'] = np.ones(6, np.float32)
    config = folder.write(read, tmp_path / 'first')
    there = gan_jax.load(tmp_path / 'first').state.nets

    def begin(**changes):
        config.init = str(tmp_path / 'first')
        config.update_from_flattened_dict(changes)
        _, spec = folder.describe(read, '')
        algorithm = configs.algorithm(config).build(configs.resolve(config, 1), spec)
        fresh = jax.eval_shape(algorithm.init, jax.random.key(0))
        return fresh.nets, beginning.begin(
            SimpleNamespace(config=config, algorithm=algorithm), fresh
        )

    fresh, state = begin(**{'optim.d.lr': 0.5})
    for name in ('g', 'd'):
        jax.tree.map(
            np.testing.assert_array_equal, state.nets[name].variables, there[name].variables
        )
        assert state.nets[name].opt_state is fresh[name].opt_state
    assert state.nets['g'].extra['w_avg']['mean'].all()
    jax.tree.map(np.testing.assert_array_equal, state.nets['g'].ema, dict(there['g'].ema))
    with pytest.raises(UserError, match=r"init: network 'd' .*: params.* is .*, and should be"):
        begin(**{'model.d.width': 3})
