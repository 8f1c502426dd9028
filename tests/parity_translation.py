"""The layers of junyanz/pytorch-CycleGAN-and-pix2pix: theirs, ours, and how a kernel is laid out.

Biases of theirs before a normalisation do nothing, and ours have none.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from test_parity_dcgan_forward import straight, transposed

NORM = {'weight': 'scale', 'bias': 'bias'}


class Layer(NamedTuple):
    """Name a convolution, whose bias is read where ours has one, and the norm that follows."""

    theirs: str
    ours: str
    change: object = straight
    norm: tuple[str, str] | None = None
    bias: bool = False


def resnet(blocks):
    """Return the layers of ResnetGenerator with two halvings."""
    theirs = ['model.1', 'model.4', 'model.7']
    theirs += [f'model.{10 + n}.conv_block.{k}' for n in range(blocks) for k in (1, 5)]
    theirs += [f'model.{10 + blocks + k}' for k in (0, 3)]
    ours = ['stem', 'down_1', 'down_2', *(f'block_{i}' for i in range(3, 3 + 2 * blocks))]
    ours += [f'up_{3 + 2 * blocks + k}' for k in (0, 1)]
    layers = [
        Layer(a, b, transposed if b.startswith('up') else straight, (after(a), f'norm_{i}'))
        for i, (a, b) in enumerate(zip(theirs, ours, strict=True))
    ]
    return [*layers, Layer(f'model.{17 + blocks}', 'out', bias=True)]


def unet(levels):
    """Return the layers of UnetGenerator."""
    layers = [Layer('model.model.0', 'down_0')]
    prefix = 'model.model.1.model'
    for i in range(1, levels):
        last = i == levels - 1
        norm = None if last else (f'{prefix}.2', f'norm_down_{i}')
        layers.append(Layer(f'{prefix}.1', f'down_{i}', norm=norm))
        up = f'{prefix}.{3 if last else 5}'
        layers.append(Layer(up, f'up_{i}', transposed, (after(up), f'norm_up_{i}')))
        prefix = f'{prefix}.3.model'
    return [*layers, Layer('model.model.3', 'out', transposed, bias=True)]


def patchgan(halvings):
    """Return the layers of NLayerDiscriminator, or of PixelDiscriminator without halvings."""
    root = 'model' if halvings else 'net'
    layers = [Layer(f'{root}.0', 'layer_0', bias=True)]
    for i in range(1, max(1, halvings) + 1):
        theirs = f'{root}.{3 * i - 1}'
        layers.append(Layer(theirs, f'layer_{i}', norm=(after(theirs), f'norm_{i}')))
    return [*layers, Layer(f'{root}.{3 * len(layers) - 1}', 'out', bias=bool(halvings))]


def after(name):
    """Return the name of the next module of a Sequential."""
    root, _, number = name.rpartition('.')
    return f'{root}.{int(number) + 1}'


def entries(layers, names):
    """Yield (their name, our path, change of layout) of parameters that both have."""
    for layer in layers:
        yield f'{layer.theirs}.weight', (layer.ours, 'kernel'), layer.change
        if layer.bias:
            yield f'{layer.theirs}.bias', (layer.ours, 'bias'), np.asarray
        for theirs, ours in NORM.items():
            if layer.norm and f'{layer.norm[0]}.{theirs}' in names:
                yield f'{layer.norm[0]}.{theirs}', (layer.norm[1], ours), np.asarray


def of(weights, prefix):
    """Return the weights under a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


def params(layers, weights, like):
    """Return our parameters; `like` has their paths, and zeros for a bias that theirs lacks."""
    found = {layer: dict(leaves) for layer, leaves in like.items()}
    for name, (layer, leaf), change in entries(layers, weights):
        value = jnp.asarray(change(weights[name]))
        assert found[layer][leaf].shape == value.shape, (name, layer, leaf)
        found[layer][leaf] = value
    return found


def statistics(layers, arrays, pattern='{}'):
    """Return our running statistics."""
    return {
        layer.norm[1]: {
            ours: jnp.asarray(arrays[pattern.format(f'{layer.norm[0]}.{theirs}')])
            for ours, theirs in (('mean', 'running_mean'), ('var', 'running_var'))
        }
        for layer in layers
        if layer.norm
    }


def nhwc(x):
    """Map images [..., C, H, W] to [..., H, W, C]."""
    return np.moveaxis(x, -3, -1)
