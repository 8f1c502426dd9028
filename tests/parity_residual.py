"""Residual networks from the state dicts of two public references: their names, and their layouts.

An entry says of a weight of theirs where it is in our tree and how it is laid out there; several
entries share a weight of which we have the parts.
"""

import re
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from test_parity_dcgan_forward import straight

from gan_jax.core.spectral import Vectors, matrix
from gan_jax.core.state import Net
from gan_jax.models import biggan, resnet, sagan


class Entry(NamedTuple):
    """Map `theirs` (without .weight, .weight_orig) to the tree's path by a change of layout."""

    theirs: str
    path: tuple[str, ...]
    change: object


def same(x):
    return x


def linear(weight):
    """Map Linear's [out, in] to [in, out]."""
    return weight.T


def stem_of(size):
    """Map what makes channels before pixels to what makes pixels before channels."""

    def change(x):
        rest = x.shape[1:]
        return np.moveaxis(x.reshape(-1, *size, *rest), 0, 2).reshape(-1, *rest).T

    return change


def half(i):
    """Map a table [classes, 2 C] to the scales (0) or the biases (1) in it."""
    return lambda x: np.split(x, 2, axis=1)[i]


def layer(theirs, ours, change):
    """Return the entries of a layer's kernel and bias."""
    flat = stem_of_bias(change) if ours == 'stem' else same
    return [
        Entry(f'{theirs}.weight', (ours, 'kernel'), change),
        Entry(f'{theirs}.bias', (ours, 'bias'), flat),
    ]


def stem_of_bias(change):
    return lambda x: change(x[:, None]).reshape(-1)


def norm(theirs, ours):
    """Return the entries of a plain batch norm."""
    return [Entry(f'{theirs}.{a}', (ours, b), same) for a, b in NORM.items()]


NORM = {'weight': 'scale', 'bias': 'bias'}


def attention(theirs, ours, names, scale):
    """Return the entries of self-attention."""
    found = [
        Entry(f'{theirs}.{name}.weight', (ours, mine, 'kernel'), straight)
        for name, mine in zip(names, ('query', 'key', 'value', 'out'), strict=True)
    ]
    return [*found, Entry(f'{theirs}.{scale}', (ours, 'scale'), lambda x: x.reshape(()))]


def numbers(weights, pattern):
    """Return the different numbers that a pattern finds in the names of weights, sorted."""
    found = {int(m[1]) for name in weights if (m := re.match(pattern, name))}
    return sorted(found)


class Mimicry:
    """Name the layers of kwotsin/mimicry's networks."""

    def __init__(self, size, weights, classes):
        self.weights, self.classes = weights, classes
        self.g_blocks = numbers(weights, r'G\.block(\d+)\.c1')
        self.d_blocks = numbers(weights, r'D\.block(\d+)\.c1')
        self.halvings = len(numbers(weights, r'D\.block(\d+)\.c_sc'))
        self.attends = any('attn_block' in name for name in weights)
        self.widths = {'g': size['ngf'], 'd': size['ndf']}
        self.z_dim = size['nz']

    def networks(self, shape, pooling):
        """Return generator and discriminator."""
        module = sagan if self.attends else resnet
        spectral = any(name.startswith('D.') and name.endswith('weight_u') for name in self.weights)
        told = ('batch_norm', 'projection') if self.classes else ('none', 'none')
        g = module.Generator(
            shape=shape,
            num_classes=self.classes,
            z_dim=self.z_dim,
            widths=(self.widths['g'],) * (len(self.g_blocks) + 1),
            attention=(),
            up='bilinear',
            conditioning=told[0],
        )
        d = module.Discriminator(
            shape=shape,
            num_classes=self.classes,
            widths=(self.widths['d'],) * len(self.d_blocks),
            halvings=self.halvings,
            pooling=pooling,
            weight_norm='spectral' if spectral else 'none',
            conditioning=told[1],
            attention=(),
        )
        if self.attends:  # after the second block of each
            g, d = (m.clone(attention=(m.heights()[1],)) for m in (g, d))
        return g, d

    def entries(self, g, d):
        """Return the entries of generator and discriminator."""
        last = self.g_blocks[-1] + 1
        made = [
            *layer('l1', 'stem', stem_of(g.stem_size())),
            *layer(f'c{last}', 'out', straight),
            *norm(f'b{last}', 'norm_out'),
        ]
        read = [*layer(f'l{self.d_blocks[-1] + 1}', 'logit', linear)]
        if self.classes:
            read.append(Entry('l_y.weight', ('projection', 'classes', 'kernel'), linear))
        for blocks, found in ((self.g_blocks, made), (self.d_blocks, read)):
            for i, n in enumerate(blocks):
                for theirs, mine in (('c1', 'conv_1'), ('c2', 'conv_2'), ('c_sc', 'shortcut')):
                    found += layer(f'block{n}.{theirs}', f'block_{i}_{mine}', straight)
        for i, n in enumerate(self.g_blocks):
            for j in (1, 2):
                theirs, ours = f'block{n}.b{j}', f'block_{i}_norm_{j}'
                if self.classes:
                    found = enumerate(('scale', 'bias'))
                    made += [Entry(f'{theirs}.embed.weight', (ours, b), half(k)) for k, b in found]
                else:
                    made += norm(theirs, ours)
        if self.attends:
            names = ('theta', 'phi', 'g', 'o')
            for module, found in ((g, made), (d, read)):
                where = f'attention_{module.attention[0]}'
                found += attention('attn_block', where, names, 'gamma')
        return made, read

    def statistics(self):
        """Return the names of the generator's running statistics: theirs, ours."""
        inner = '.bn' if self.classes else ''
        found = [
            (f'block{n}.b{j}{inner}', f'block_{i}_norm_{j}')
            for i, n in enumerate(self.g_blocks)
            for j in (1, 2)
        ]
        return [*found, (f'b{self.g_blocks[-1] + 1}', 'norm_out')]


class StudioGAN:
    """Name the layers of POSTECH-CVLab/PyTorch-StudioGAN's BigGAN."""

    def __init__(self, size, weights, classes):
        self.size, self.classes = size, classes
        self.attends = True
        self.blocks = {
            side: numbers(weights, side + r'\.blocks\.(\d+)\.0\.conv2d1') for side in 'GD'
        }
        self.between = {
            side: numbers(weights, side + r'\.blocks\.(\d+)\.0\.conv1x1_g') for side in 'GD'
        }

    def networks(self, shape, pooling):
        """Return generator and discriminator."""
        options = {'shape': shape, 'num_classes': self.classes, 'width': self.size['conv_dim']}
        g = biggan.Generator(z_dim=self.size['z_dim'], shared=self.size['g_shared_dim'], **options)
        d = biggan.Discriminator(pooling=pooling, **options)
        after = self.size['attn_g'], self.size['attn_d']
        return tuple(
            m.clone(attention=tuple(m.heights()[i - 1] for i in where))
            for m, where in zip((g, d), after, strict=True)
        )

    def entries(self, g, d):
        """Return the entries of generator and discriminator."""
        made = [
            *layer('linear0', 'stem', stem_of(g.stem_size())),
            *layer('conv2d5', 'out', straight),
            *norm('bn4', 'norm_out'),
            Entry('shared.weight', ('label', 'embedding'), same),
        ]
        read = [
            *layer('linear1', 'logit', linear),
            Entry('embedding.weight', ('projection', 'classes', 'kernel'), linear),
        ]
        names = tuple(f'conv1x1_{name}' for name in ('theta', 'phi', 'g', 'attn'))
        for side, module, found in (('G', g, made), ('D', d, read)):
            for i, n in enumerate(self.blocks[side]):
                for j, mine in enumerate(('shortcut', 'conv_1', 'conv_2')):
                    found += layer(f'blocks.{n}.0.conv2d{j}', f'block_{i}_{mine}', straight)
            for n, height in zip(self.between[side], module.attention, strict=True):
                found += attention(f'blocks.{n}.0', f'attention_{height}', names, 'sigma')
        for i, n in enumerate(self.blocks['G']):
            for j, (a, b) in ((j, ab) for j in (1, 2) for ab in GAIN.items()):
                theirs = f'blocks.{n}.0.bn{j}.{a}.weight'
                made.append(Entry(theirs, (f'block_{i}_norm_{j}', b, 'kernel'), linear))
        return made, read

    def statistics(self):
        """Return the names of the generator's running statistics: theirs, ours."""
        found = [
            (f'blocks.{n}.0.bn{j}.bn', f'block_{i}_norm_{j}')
            for i, n in enumerate(self.blocks['G'])
            for j in (1, 2)
        ]
        return [*found, ('bn4', 'norm_out')]


GAIN = {'gain': 'scale', 'bias': 'bias'}


def named(weights, prefix, theirs):
    """Return the name under which a weight is stored, None where this network has none."""
    for name in (theirs, f'{theirs}_orig'):
        if prefix + name in weights:
            return prefix + name
    return None


def put(tree, path, value):
    """Set a leaf of nested dicts."""
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
    tree[path[-1]] = value


def get(tree, path):
    """Return a leaf of nested dicts."""
    for key in path:
        tree = tree[key]
    return tree


def net_of(entries, weights, prefix, statistics=()):
    """Return our network from a state dict, with the vectors of spectral norm and statistics."""
    params, vectors, stats = {}, {}, {}
    for theirs, path, change in entries:
        name = named(weights, prefix, theirs)
        if name is None:
            continue
        put(params, path, jnp.asarray(change(weights[name])))
        u = vector_of(weights, prefix, theirs)
        if u is not None and path[-1] != 'bias':
            u = stem_of_bias(change)(u) if path[0] == 'stem' else u
            kernel = get(params, path)
            put(vectors, path, Vectors(jnp.asarray(u), jnp.zeros(len(matrix(kernel)))))
    for theirs, ours in statistics:
        for a, b in (('running_mean', 'mean'), ('running_var', 'var')):
            put(stats, (ours, b), jnp.asarray(weights[f'{prefix}{theirs}.{a}']))
    extra = {'spectral': vectors} if vectors else {}
    return Net(params, extra | ({'batch_stats': stats} if stats else {}), (), None)


def vector_of(arrays, prefix, theirs):
    """Return the stored vector of a weight's outputs, None where there is none."""
    stem = prefix + theirs.removesuffix('.weight')
    for name in (f'{stem}.weight_u', f'{stem}.sn_u'):
        if name in arrays:
            return arrays[name].reshape(-1)
    return None


def norms(entries, weights, prefix, order, gradients):
    """Return the norms of our gradients, in the order of their names."""
    squares = dict.fromkeys(order, 0.0)
    for theirs, path, _ in entries:
        name = named(weights, prefix, theirs)
        if name is not None:
            squares[name.removeprefix(prefix)] += float((get(gradients, path) ** 2).sum())
    return np.sqrt([squares[name] for name in order])
