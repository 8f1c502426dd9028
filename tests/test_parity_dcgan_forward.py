"""The forward pass of pytorch/examples' DCGAN, in training and in evaluation."""

import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.models import dcgan


def stem(weight):
    """Map a transposed convolution of a 1x1 image [in, out, h, w] to a Dense [in, h w out]."""
    return weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)


def head(weight):
    """Map a convolution as large as its input [1, in, h, w] to a Dense [h w in, 1]."""
    return weight.transpose(2, 3, 1, 0).reshape(-1, 1)


def transposed(weight):
    """Map ConvTranspose2d's [in, out, h, w] to [h, w, in, out]."""
    return weight.transpose(2, 3, 0, 1)


def straight(weight):
    """Map Conv2d's [out, in, h, w] to [h, w, in, out]."""
    return weight.transpose(2, 3, 1, 0)


# layer of ours: (index in torch's Sequential, map of the kernel, index of its batch norm)
GENERATOR = {
    'stem': (0, stem, 1),
    'layer_1': (3, transposed, 4),
    'layer_2': (6, transposed, 7),
    'layer_3': (9, transposed, 10),
    'out': (12, transposed, None),
}
DISCRIMINATOR = {
    'layer_0': (0, straight, None),
    'layer_1': (2, straight, 3),
    'layer_2': (5, straight, 6),
    'layer_3': (8, straight, 9),
    'logit': (11, head, None),
}


def norm_of(layer):
    return 'norm_0' if layer == 'stem' else f'norm_{layer[-1]}'


def params_from(table, weights, prefix):
    """Return our parameters from torch's state dict."""
    params = {}
    for layer, (index, change, norm) in table.items():
        params[layer] = {'kernel': jnp.asarray(change(weights[f'{prefix}.main.{index}.weight']))}
        if norm is not None:
            torch = f'{prefix}.main.{norm}.'
            params[norm_of(layer)] = {
                'scale': jnp.asarray(weights[torch + 'weight']),
                'bias': jnp.asarray(weights[torch + 'bias']),
            }
    return params


def statistics_from(table, arrays, pattern):
    """Return our running statistics from torch's."""
    return {
        norm_of(layer): {
            ours: jnp.asarray(arrays[pattern.format(norm, theirs)])
            for ours, theirs in (('mean', 'running_mean'), ('var', 'running_var'))
        }
        for layer, (_, _, norm) in table.items()
        if norm is not None
    }


def close(got, want):
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-4 * abs(want).max())


@pytest.fixture
def case(parity):
    """Return both networks with their variables, the inputs and the expected outputs."""
    readme, weights, ins, outs = parity('dcgan')
    size = readme['constructor']
    shape = (*ins['real'].shape[3:], size['nc'])
    g_widths = tuple(size['ngf'] * f for f in (8, 4, 2, 1))
    d_widths = tuple(size['ndf'] * f for f in (1, 2, 4, 8))
    g = dcgan.Generator(shape=shape, z_dim=size['nz'], widths=g_widths)
    d = dcgan.Discriminator(shape=shape, widths=d_widths)
    real = jnp.asarray(ins['real'][0].transpose(0, 2, 3, 1))
    z = jnp.asarray(ins['noise'][0].reshape(-1, size['nz']))
    params = params_from(GENERATOR, weights, 'G'), params_from(DISCRIMINATOR, weights, 'D')
    stats = (
        statistics_from(GENERATOR, weights, 'G.main.{}.{}'),
        statistics_from(DISCRIMINATOR, weights, 'D.main.{}.{}'),
    )
    return g, d, params, stats, z, real, outs


def sigmoid(verdict):
    return 1 / (1 + np.exp(-np.asarray(verdict.logits)))


def test_training_mode_and_its_running_statistics(case):
    g, d, (g_params, d_params), (g_start, d_start), z, real, outs = case

    def run(module, params, stats, x):
        variables = {'params': params, 'batch_stats': stats}
        y, new = module.apply(variables, x, train=True, mutable=['batch_stats'])
        return y, new['batch_stats']

    fake, g_stats = run(g, g_params, g_start, z)
    close(fake.transpose(0, 3, 1, 2), outs['fwd_train/fake'])
    on_real, d_stats = run(d, d_params, d_start, real)
    on_fake, d_stats = run(d, d_params, d_stats, fake)
    close(sigmoid(on_real), outs['fwd_train/D_real'])
    close(sigmoid(on_fake), outs['fwd_train/D_fake'])

    want = statistics_from(GENERATOR, outs, 'fwd_train/G.main.{}.{}')
    check_statistics(g_stats, want, g_start, g, len(z), 1)
    pattern = 'fwd_train/D.main.{}.{}_after_real_then_fake'
    want = statistics_from(DISCRIMINATOR, outs, pattern)
    check_statistics(d_stats, want, d_start, d, len(z), 2)


def check_statistics(got, want, start, module, batch, updates):
    """Compare running statistics; torch's variance is the unbiased one."""
    for name, stats in want.items():
        close(got[name]['mean'], stats['mean'])
        pixels = batch * side(module, int(name[-1])) ** 2
        kept = module.norm_momentum**updates * start[name]['var']
        close(kept + (got[name]['var'] - kept) * pixels / (pixels - 1), stats['var'])


def side(module, i):
    """Return the side of the images that the i-th batch norm sees."""
    return 4 * 2**i if isinstance(module, dcgan.Generator) else module.shape[0] // 2 ** (i + 1)


def test_evaluation_mode_with_the_running_statistics_of_training(case):
    g, d, (g_params, d_params), _, z, real, outs = case
    g_stats = statistics_from(GENERATOR, outs, 'fwd_train/G.main.{}.{}')
    pattern = 'fwd_train/D.main.{}.{}_after_real_then_fake'
    d_stats = statistics_from(DISCRIMINATOR, outs, pattern)
    fake = g.apply({'params': g_params, 'batch_stats': g_stats}, z, train=False)
    close(fake.transpose(0, 3, 1, 2), outs['fwd_eval_after_train/fake'])
    verdict = d.apply({'params': d_params, 'batch_stats': d_stats}, real, train=False)
    close(sigmoid(verdict), outs['fwd_eval_after_train/D_real'])
