"""SNGAN, projection, SAGAN, BigGAN and WGAN-GP against the references: passes, losses, gradients.

The references iterate spectral normalisation before each pass; so do these tests, by `tick`. Of
their two sets of outputs ours is 'noninplace', the published architecture.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from parity_residual import Mimicry, StudioGAN, get, named, net_of, norms, vector_of
from test_parity_dcgan_forward import close

from gan_jax.core import losses
from gan_jax.core.spectral import tick
from gan_jax.core.state import Net, apply

NAMES = {
    'sngan_32': Mimicry,
    'cgan_pd_32': Mimicry,
    'sagan_32': Mimicry,
    'biggan_32': StudioGAN,
    'wgan_gp_32': Mimicry,
}
GAMES = [name for name in NAMES if name != 'wgan_gp_32']
VARIANT = 'noninplace/'


class Case(NamedTuple):
    """Hold a fixture as ours: networks, their variables, inputs, and what is expected of them."""

    names: Any
    modules: tuple[Any, Any]
    entries: tuple[list, list]
    nets: tuple[Net, Net]
    z: jax.Array
    real: jax.Array
    label: Any
    real_label: Any
    weights: dict
    outs: dict
    readme: dict

    def g(self, net):
        """Return images and the net after a pass in training."""
        return apply(self.modules[0], net, self.z, self.label)

    def d(self, net, images, label):
        """Return logits in training."""
        return apply(self.modules[1], net, images, label)[0].logits


@pytest.fixture(scope='module')
def cases(parity):
    """Return a function that makes the case of a fixture, once."""
    made = {}

    def of(name):
        if name not in made:
            made[name] = case(name, *parity(name))
        return made[name]

    return of


def case(name, readme, weights, ins, outs):
    size = readme['constructor']
    classes = size.get('num_classes', size.get('classes', 0)) if 'y' in ins else 0
    names = NAMES[name](size, weights, classes)
    shape = (*ins['real'].shape[2:], ins['real'].shape[1])
    g, d = modules = names.networks(shape, 'mean' if name == 'wgan_gp_32' else 'sum')
    for module in modules:
        module.check()
    entries = names.entries(g, d)
    nets = (
        net_of(entries[0], weights, 'G.', names.statistics()),
        net_of(entries[1], weights, 'D.'),
    )
    labels = [jnp.asarray(ins[k], jnp.int32) if k in ins else None for k in ('y', 'y_real')]
    outs = {k.removeprefix(VARIANT): v for k, v in outs.items() if k.startswith(VARIANT)}
    real = jnp.asarray(ins['real'].transpose(0, 2, 3, 1))
    return Case(
        names, modules, entries, nets, jnp.asarray(ins['z']), real, *labels, weights, outs, readme
    )


@pytest.mark.parametrize('name', NAMES)
def test_every_weight_has_its_place(cases, name):
    c = cases(name)
    for side, module, net, inputs in zip(
        'GD', c.modules, c.nets, ((c.z, c.label), (c.real, c.real_label)), strict=True
    ):
        want = jax.eval_shape(lambda m=module, i=inputs: m.init(jax.random.key(0), *i, train=True))
        shapes = jax.tree.map(jnp.shape, net.variables)
        assert shapes == jax.tree.map(jnp.shape, dict(want)), side
        rest = {
            name
            for name in c.weights
            if name.startswith(side) and not name.endswith(('_u', '_v', '_sigma', '_tracked'))
        }
        used = {named(c.weights, f'{side}.', e.theirs) for e in c.entries['GD'.index(side)]}
        assert not {n for n in rest - used if 'running' not in n}


def check_vectors(c, side, net, group):
    """Compare the vectors of spectral norm with those stored after some passes."""
    found = 0
    for theirs, path, change in c.entries['GD'.index(side)]:
        u = vector_of(c.outs, f'{group}/', theirs)
        if u is None or path[-1] == 'bias':
            continue
        if path[0] == 'stem':
            u = change(u[:, None]).reshape(-1)
        close(get(net.extra['spectral'], path).u, u)
        found += 1
    assert found


def check_statistics(c, net):
    """Compare running statistics after one pass; torch's variance is the unbiased one."""
    g, momentum = c.modules[0], c.modules[0].norm_momentum
    sizes = dict(block_sizes(g))
    for theirs, ours in c.names.statistics():
        mean, var = (c.outs[f'G_after/{theirs}.running_{k}'] for k in ('mean', 'var'))
        got, start = net.extra['batch_stats'][ours], c.nets[0].extra['batch_stats'][ours]
        close(got['mean'], mean)
        n = len(c.z) * sizes[ours]
        kept = momentum * start['var']
        close(kept + (got['var'] - kept) * n / (n - 1), var)


def block_sizes(g):
    """Yield the pixels of what each normalisation of a generator sees."""
    h, w = g.stem_size()
    for i in range(len(g.channels()) - 1):
        yield f'block_{i}_norm_1', h * w
        h, w = 2 * h, 2 * w
        yield f'block_{i}_norm_2', h * w
    yield 'norm_out', h * w


def loss_close(got, want):
    np.testing.assert_allclose(got, want, rtol=1e-4)


def check_gradients(c, side, group, gradients):
    """Compare the gradients that are stored, and the norms of all."""
    entries = c.entries['GD'.index(side)]
    order = c.readme['grad_norm_order'][side]
    want = c.outs[f'{group}_grad_norms']
    got = norms(entries, c.weights, f'{side}.', order, gradients)
    np.testing.assert_allclose(got, want, atol=1e-3 * want.max())
    stored = 0
    for theirs, path, change in entries:
        grad = next((c.outs[n] for n in both(f'{group}_grad/{theirs}') if n in c.outs), None)
        if grad is not None:
            grad = change(grad)
            np.testing.assert_allclose(get(gradients, path), grad, atol=1e-3 * abs(grad).max())
            stored += 1
    assert stored


def both(name):
    return name, f'{name}_orig'


@pytest.mark.parametrize('name', GAMES)
def test_passes_losses_and_gradients(cases, name):
    c, hinge = cases(name), losses.make('hinge')
    g_net, d_net = c.nets
    g_net = tick(g_net)
    first, second = tick(d_net), tick(tick(d_net))
    third = tick(second)

    @jax.jit
    def d_loss(params, fake):
        real = c.d(first.replace(params=params), c.real, c.real_label)
        fake = c.d(second.replace(params=params), fake, c.label)
        return hinge.d(real, fake).mean(), (real, fake)

    @jax.jit
    def g_loss(params):
        images, after = c.g(g_net.replace(params=params))
        logits = c.d(third, images, c.label)
        return hinge.g(logits, logits).mean(), (images, after, logits)

    (loss, (images, after, logits)), grads = jax.value_and_grad(g_loss, has_aux=True)(g_net.params)
    close(images.transpose(0, 3, 1, 2), c.outs['G_train'])
    check_statistics(c, after)
    close(logits, found(c.outs, 'D_train_fake', 'third_call'))
    loss_close(loss, c.outs['hinge_G'])
    check_gradients(c, 'G', 'hinge_G', grads)
    (loss, seen), grads = jax.value_and_grad(d_loss, has_aux=True)(d_net.params, images)
    close(seen[0], found(c.outs, 'D_train_real'))
    close(seen[1], found(c.outs, 'D_train_fake', 'second_call'))
    loss_close(loss, c.outs['hinge_D'])
    check_gradients(c, 'D', 'hinge_D', grads)
    check_vectors(c, 'D', second, 'D_after2')
    if any(k.startswith('G_after') and k.endswith('_u') for k in c.outs):
        check_vectors(c, 'G', after, 'G_after')

    evaluate = jax.jit(lambda net: c.modules[0].apply(net.variables, c.z, c.label, train=False))
    stats = {**after.extra['batch_stats']}
    for theirs, ours in c.names.statistics():  # torch's, of which the variance is the unbiased one
        stats[ours] = {**stats[ours], 'var': c.outs[f'G_after/{theirs}.running_var']}
    after = after.replace(extra={**after.extra, 'batch_stats': stats})
    close(evaluate(after).transpose(0, 3, 1, 2), c.outs['G_eval'])
    logits = c.modules[1].apply(settled(c, third).variables, c.real, c.real_label, train=False)
    close(logits.logits, found(c.outs, 'D_eval_real'))


def found(outs, start, end=''):
    """Return the one logit that is stored under a name that starts and ends so, flat."""
    (value,) = [
        v
        for k, v in outs.items()
        if k in (f'{start}_{end}'.rstrip('_'), f'{start}_adv_{end}'.rstrip('_'))
    ]
    return value.reshape(-1)


def settled(c, net):
    """Return the net as the reference evaluates it: two layers of cgan_pd_32 iterate there, too."""
    own = [
        e.path for e in c.entries[1] if f'D.{e.theirs.removesuffix(".weight")}.sn_u' in c.weights
    ]
    moved, vectors = tick(net).extra['spectral'], dict(net.extra['spectral'])
    for path in own:
        vectors[path[0]] = moved[path[0]]
    return net.replace(extra={**net.extra, 'spectral': vectors})


def test_wgan_gp_step(cases, parity):
    c, wasserstein = cases('wgan_gp_32'), losses.make('wasserstein')
    alpha = jnp.asarray(parity('wgan_gp_32')[2]['alpha'])
    g_net, d_net = c.nets
    images = c.g(g_net)[0]
    close(images.transpose(0, 3, 1, 2), c.outs['G_train'])

    def slopes(params):
        between = alpha[:, None, None, None] * c.real + (1 - alpha)[:, None, None, None] * images

        def total(x):
            return c.d(d_net.replace(params=params), x, None).sum()

        return jnp.linalg.norm(jax.grad(total)(between).reshape(len(alpha), -1), axis=1)

    @jax.jit
    def d_loss(params):
        net = d_net.replace(params=params)
        real, fake = c.d(net, c.real, None), c.d(net, images, None)
        found = slopes(params)
        penalty = c.readme['constructor']['gp_scale'] * jnp.square(found - 1).mean()
        loss = wasserstein.d(real, fake).mean()
        return loss + penalty, (real, fake, loss, penalty, found)

    (_, seen), grads = jax.value_and_grad(d_loss, has_aux=True)(d_net.params)
    wanted = ('D_real', 'D_fake', 'wasserstein_D', 'gp_scaled10', 'gp_interpolates_grad_norm')
    for got, want in zip(seen, wanted, strict=True):
        close(got, c.outs[want].reshape(got.shape))
    check_gradients(c, 'D', 'total_D', grads)
    check_adam(c, d_net.params, grads)


def check_adam(c, params, grads):
    """Compare weights after one step of Adam, whose rate the fixture's notes state."""
    lr = 2e-4
    tx = optax.adam(lr, 0.0, 0.9, 1e-8)
    updates, _ = tx.update(grads, tx.init(params), params)
    after, stored = optax.apply_updates(params, updates), 0
    for theirs, path, change in c.entries[1]:
        want = c.outs.get(f'after_adam/{theirs}')
        if want is not None:
            np.testing.assert_allclose(get(after, path), change(want), rtol=0, atol=2 * lr)
            moved = np.abs(change(want) - get(params, path))
            assert np.abs(get(after, path) - change(want)).mean() < 0.05 * lr < moved.mean()
            stored += 1
    assert stored
