"""What networks of the published code of StyleGAN2 are built with, by the shapes of their weights.

Shapes do not tell everything: what constructor arguments say beside them is read where they are
known, and has the default of the published training where they are not.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from gan_jax.errors import UserError

Weights = Mapping[str, np.ndarray]

# Constructor arguments that shapes tell.
TOLD = {
    'z_dim', 'w_dim', 'c_dim', 'img_resolution', 'img_channels', 'num_ws', 'num_layers',
    'channel_base', 'channel_max', 'architecture', 'cmap_dim', 'embed_features', 'layer_features',
}  # fmt: skip
# Those that change how a network computes on a GPU, or which layers learn, and nothing else.
WITHOUT_EFFECT = {'fp16_channels_last', 'fused_modconv_default', 'freeze_layers'}
# Those that our networks do not have, with the value that they must have.
FIXED: dict[str, Any] = {
    'activation': 'lrelu',
    'lr_multiplier': 0.01,
    'resample_filter': [1, 3, 3, 1],
    'use_noise': True,
    'mbstd_num_channels': 1,
}
# Ours, and the published default of each.
NAMED: dict[str, tuple[str, Any]] = {
    'conv_clamp': ('clamp', 256),
    'num_fp16_res': ('half', 4),
    'w_avg_beta': ('w_decay', 0.995),
    'mbstd_group_size': ('stddev_group', 4),
}


def generator(weights: Weights, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of our generator, and its `shape` and `classes`.

    Raises:
      UserError: weights that lack a part, widths that no base and maximum give, or an argument
        that our generator does not have.
    """
    blocks = of_blocks(weights, 'synthesis.')
    widths = {size: len(need(weights, f'synthesis.b{size}.conv1.weight')) for size in blocks}
    w_dim = need(weights, f'synthesis.b{blocks[0]}.conv1.affine.weight').shape[-1]
    first, classes = need(weights, 'mapping.fc0.weight'), of_labels(weights)
    channels = len(need(weights, f'synthesis.b{blocks[-1]}.torgb.weight'))
    return {
        'shape': (blocks[-1], blocks[-1], channels),
        'classes': classes,
        'z_dim': first.shape[-1] - (w_dim if classes else 0),
        'w_dim': w_dim,
        'layers': of_mapping(weights),
        'architecture': of_images(weights, f'synthesis.b{blocks[0]}.torgb.weight', 'synthesis.'),
        **of_widths(widths),
        **of_arguments(arguments, ('conv_clamp', 'num_fp16_res', 'w_avg_beta')),
    }


def discriminator(weights: Weights, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of our discriminator, and its `shape` and `classes`; raises as above."""
    blocks = [4, *of_blocks(weights, '')]
    widths = {size: need(weights, f'b{size}.conv0.weight').shape[1] for size in blocks[1:]}
    widths[4] = len(need(weights, 'b4.conv.weight'))
    channels = need(weights, f'b{blocks[-1]}.fromrgb.weight').shape[1]
    found = {
        'shape': (blocks[-1], blocks[-1], channels),
        'classes': of_labels(weights),
        'architecture': of_images(weights, 'b4.fromrgb.weight', ''),
        **of_widths(widths),
        **of_arguments(arguments, ('conv_clamp', 'num_fp16_res', 'mbstd_group_size')),
    }
    if found['classes']:
        found['layers'] = of_mapping(weights)
    if need(weights, 'b4.conv.weight').shape[1] == widths[4]:
        found['stddev_group'] = 0
    return found


def need(weights: Weights, name: str) -> np.ndarray:
    """Return a weight of at least two axes; raise UserError where there is none."""
    if name not in weights or weights[name].ndim < 2:
        raise UserError(f'unknown architecture: no weight {name}, which every StyleGAN2 has')
    return weights[name]


def of_blocks(weights: Weights, prefix: str) -> list[int]:
    """Return the sizes of the images of blocks with convolutions, which double from block to block.

    Of the generator they begin with 4, of the discriminator with 8.
    """
    pattern = re.compile(rf'{re.escape(prefix)}b(\d{{1,5}})\.conv1\.weight')
    sizes = sorted({int(found[1]) for name in weights if (found := pattern.fullmatch(name))})
    first = 4 if prefix else 8
    if not sizes or sizes != [first * 2**i for i in range(len(sizes))]:
        raise UserError(
            f'unknown architecture: {prefix}bSIZE are of the sizes {sizes}, and should be of '
            f'{first}, {2 * first}, {4 * first}, ...'
        )
    return sizes


def of_labels(weights: Weights) -> int:
    """Return the number of classes, 0 of an unconditional network."""
    name = 'mapping.embed.weight'
    return need(weights, name).shape[-1] if name in weights else 0


def of_mapping(weights: Weights) -> int:
    """Return the number of layers of the mapping network."""
    return sum(bool(re.fullmatch(r'mapping\.fc\d+\.weight', name)) for name in weights)


def of_images(weights: Weights, smallest: str, prefix: str) -> str:
    """Return how images are connected: each size makes or sees one, or residually, or neither."""
    if smallest in weights and f'{prefix}b8.conv1.weight' in weights:
        return 'skip'
    pattern = re.compile(rf'{re.escape(prefix)}b\d+\.skip\.weight')
    return 'residual' if any(map(pattern.fullmatch, weights)) else 'plain'


def of_widths(widths: Mapping[int, int]) -> dict[str, int]:
    """Return the `width` and `base` that give the channels of each size.

    Raises:
      UserError: there are none.
    """
    width = max(widths.values())
    base = max(size * n for size, n in widths.items())
    if any(n != min(width, base // size) for size, n in widths.items()):
        raise UserError(
            f'unknown architecture: channels {dict(sorted(widths.items()))} by size are not '
            'min(channel_max, channel_base / size)'
        )
    return {'width': width, 'base': base}


def of_arguments(arguments: Mapping[str, Any], ours: Iterable[str]) -> dict[str, Any]:
    """Return those of our options that shapes do not tell.

    Raises:
      UserError: an argument that is unknown, or has a value that our networks cannot have.
    """
    given = dict(flat(arguments))
    for name, value in given.items():
        if name in FIXED and value not in (FIXED[name], None):
            raise UserError(f'{name}={value!r:.80} is not supported; allowed: {FIXED[name]!r}')
        if name not in {*FIXED, *TOLD, *WITHOUT_EFFECT, *NAMED}:
            raise UserError(f'unknown architecture: no StyleGAN2 has the argument {name!r:.80}')
    found = {}
    for name in ours:
        key, default = NAMED[name]
        value = given.get(name, default)
        found[key] = 0 if name == 'conv_clamp' and value is None else value
    return found


def flat(arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield constructor arguments, and those of parts (mapping_kwargs), one by one."""
    for name, value in arguments.items():
        inside = isinstance(value, Mapping) and str(name).endswith('_kwargs')
        for inner, one in value.items() if inside else [(name, value)]:
            yield str(inner), list(one) if isinstance(one, tuple) else one
