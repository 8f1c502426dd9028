"""StyleGAN2's networks: w, images, logits, and the gradients of the losses, R1 and path length."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import plays
import pytest

from gan_jax.core.game import Verdict
from gan_jax.models import stylegan2
from gan_jax.pretrained import names
from gan_jax.terms import path_length, r1

RULES = {'G': names.GENERATOR, 'D': names.DISCRIMINATOR}


def close(got, want, tolerance=1e-4):
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * abs(want).max())


def leaf_of(tree, path):
    for part in path:
        tree = tree[part]
    return tree


def variables(weights, net):
    """Return our variables from the reference's state dict."""
    own = {name[2:]: value for name, value in weights.items() if name.startswith(f'{net}.')}
    return names.variables(RULES[net], own)


def networks(size):
    """Return our networks of the reference's sizes."""
    options = {
        'shape': (size['res'], size['res'], size['img_channels']),
        'num_classes': size['c_dim'],
        'width': size['channel_max'],
        'base': size['channel_base'],
        'layers': size['map_layers'],
        'clamp': size['conv_clamp'] or 0.0,
    }
    g = stylegan2.Generator(z_dim=size['z_dim'], w_dim=size['w_dim'], mixing=0.0, **options)
    return g, stylegan2.Discriminator(stddev_group=size['mbstd'], **options)


@pytest.fixture(scope='module', params=['stylegan2_32', 'stylegan2_64_cond'])
def case(request, parity):
    """Return networks, their variables, the readme, inputs and outputs; images as ours are."""
    readme, weights, ins, outs = parity(request.param)
    size = readme['constructor']
    g, d = networks(size)
    for net, module, inputs in (('G', g, ins['z']), ('D', d, ins['real'].transpose(0, 2, 3, 1))):
        label = jnp.zeros(len(inputs), jnp.int32) if size['c_dim'] else None
        start = jax.eval_shape(
            lambda x, c, m=module: m.init(jax.random.key(0), x, c, train=True), inputs, label
        )
        ours = variables(weights, net)
        assert jax.tree.map(jnp.shape, start) == jax.tree.map(jnp.shape, ours)
    ins = {k: jnp.asarray(v.transpose(0, 2, 3, 1) if v.ndim == 4 else v) for k, v in ins.items()}
    ins['c'] = ins['c'].argmax(1) if size['c_dim'] else None
    both = SimpleNamespace(g=variables(weights, 'G'), d=variables(weights, 'D'))
    return SimpleNamespace(g=g, d=d, vars=both, readme=readme, ins=ins, outs=outs)


def first(images):
    return images.transpose(0, 3, 1, 2)


def generate(case, params, method='__call__', x=None, **options):
    x = (case.ins['z'], case.ins['c']) if x is None else (x,)
    own = {**case.vars.g, 'params': params}
    return case.g.apply(own, *x, train=False, method=method, **options)


def discriminate(case, params, images):
    """Return logits of images in an order in which our groups are the reference's."""
    n, group = len(images), case.d.stddev_group
    order = np.arange(n).reshape(group, -1).T.ravel()
    label = None if case.ins['c'] is None else case.ins['c'][order]
    logits = case.d.apply({'params': params}, images[order], label, train=True).logits
    return logits[np.argsort(order)]


def test_w(case):
    def w(**options):
        return jax.jit(lambda p: generate(case, p, 'styles', **options))(case.vars.g['params'])

    assert w().shape[1] == case.outs['num_ws']
    close(w()[:, 0], case.outs['w_psi1'])
    close(w(psi=0.5)[:, 0], case.outs['w_psi0.5'])
    close(w(psi=0.7, cutoff=3), case.outs['ws_psi0.7_cutoff3'])


@pytest.mark.parametrize(
    ('name', 'options'),
    [
        ('img_const', {}),
        ('img_none', {'noise': 'none'}),
        ('img_const_psi0.5', {'psi': 0.5}),
    ],
)
def test_images_and_logits(case, name, options):
    def both(g, d):
        images = generate(case, g, **options)
        return images, discriminate(case, d, images)

    images, logits = jax.jit(both)(case.vars.g['params'], case.vars.d['params'])
    close(first(images), case.outs[name])
    if f'logits_{name}' in case.outs:
        close(logits[:, None], case.outs[f'logits_{name}'])


def test_images_of_one_w_for_each_layer(case):
    ws = case.ins['ws_mixed'][:2]
    images = jax.jit(lambda p: generate(case, p, 'synthesize', ws))(case.vars.g['params'])
    close(first(images), case.outs['img_const_ws_perturbed'])


def test_mean_of_w(case):
    _, changed = case.g.apply(
        case.vars.g, case.ins['z'], case.ins['c'], train=True, method='styles', mutable=['w_avg']
    )
    close(changed['w_avg']['mean'], case.outs['w_avg_after_one_training_forward'])


def same_gradients(case, net, gradients, prefix):
    """Compare the norms of gradients with the reference's.

    Those of noise are small sums of large numbers: they may differ by twice the reference's own
    error in float32.
    """
    name, order = f'{prefix}_param_grad_norms', case.readme['grad_norm_order'][net]
    want = case.outs[name]
    rounding = case.readme['tolerance_observed'][name]['max_abs_diff_f32_vs_f64']
    got = [
        np.linalg.norm(leaf_of(gradients, names.place(RULES[net], n)[0].split('/')[1:]))
        for n in order
    ]
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=max(2 * rounding, 1e-6 * max(want)))


def test_discriminator_s_loss_and_r1(case):
    real, term = case.ins['real'], r1.Term(weight=1.0)

    def loss(params):
        logits = discriminate(case, params, real)
        view = SimpleNamespace(d=lambda x, label: Verdict(discriminate(case, params, x)))
        share, _ = term.share(plays.play(real, real), view, None, None)
        penalties = term.loss(plays.play(real, real), view, None, None)[0]
        return jax.nn.softplus(-logits).mean() + share, (logits, penalties)

    (total, (logits, penalties)), gradients = jax.jit(jax.value_and_grad(loss, has_aux=True))(
        case.vars.d['params']
    )
    close(logits[:, None], case.outs['real_logits'])
    close(2 * penalties, case.outs['r1_grad_norm2'], 1e-3)
    np.testing.assert_allclose(total, case.outs['Dloss_real_plus_r1'], rtol=1e-4)
    same_gradients(case, 'D', gradients, 'Dloss')
    close(gradients['logit']['kernel'].T, case.outs['Dloss_grad/b4.out.weight'], 1e-3)


def test_generator_s_loss(case):
    def loss(params):
        images = generate(case, params)
        return jax.nn.softplus(-discriminate(case, case.vars.d['params'], images)).mean()

    total, gradients = jax.jit(jax.value_and_grad(loss))(case.vars.g['params'])
    np.testing.assert_allclose(total, case.outs['Gmain_loss'], rtol=1e-4)
    same_gradients(case, 'G', gradients, 'Gmain')
    want = case.outs['Gmain_grad/mapping.fc0.weight']
    close(gradients['mapping']['dense_0']['kernel'].T, want, 1e-3)


def test_path_length(case, monkeypatch):
    term, noise = path_length.Term(), case.ins['pl_noise']
    monkeypatch.setattr(path_length.rng, 'normal_each', lambda keys, shape: noise)
    state = SimpleNamespace(aux={'path_length': {'mean': jnp.zeros(())}})
    play = plays.play(noise, noise, 'g', z=case.ins['z'], state=state)
    play = play._replace(fake_label=case.ins['c'])

    def loss(params):
        view = SimpleNamespace(
            styles=lambda z, label: generate(case, params, 'styles'),
            synthesize=lambda ws: generate(case, params, 'synthesize', ws),
            g_keys=play.keys,
        )
        return term.share(play, view, None, None)[0], term.loss(play, view, None, None)

    (total, (penalties, metrics)), gradients = jax.jit(jax.value_and_grad(loss, has_aux=True))(
        case.vars.g['params']
    )
    close(penalties, case.outs['pl_penalty'], 1e-3)
    np.testing.assert_allclose(total, case.outs['Gpl_loss'], rtol=1e-3)
    mean = term.after(state.aux['path_length'], metrics, None)['mean']
    np.testing.assert_allclose(mean, case.outs['pl_mean_after'], rtol=1e-4)
    same_gradients(case, 'G', gradients, 'Gpl')
    got = straight_back(gradients['synthesis']['stage_0_conv_1']['kernel'])
    close(got[:4], case.outs['Gpl_grad/synthesis.b4.conv1.weight_slice'], 1e-3)


def straight_back(kernel):
    """Map [h, w, in, out] to Conv2d's [out, in, h, w]."""
    return kernel.transpose(3, 2, 0, 1)
