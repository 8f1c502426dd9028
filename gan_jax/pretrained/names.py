"""Where the weights of the published code of StyleGAN2 (PyTorch) stand among our variables."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gan_jax.errors import UserError
from gan_jax.nn.resample import TAPS

Change = Callable[[np.ndarray], np.ndarray]


def same(x: np.ndarray) -> np.ndarray:
    """Return an array as it is."""
    return x


def linear(x: np.ndarray) -> np.ndarray:
    """Map a kernel [out, in] to [in, out]."""
    return x.T


def conv(x: np.ndarray) -> np.ndarray:
    """Map a kernel [out, in, h, w] to [h, w, in, out]."""
    return x.transpose(2, 3, 1, 0)


def const(x: np.ndarray) -> np.ndarray:
    """Map an image [c, h, w] to [h, w, c]."""
    return x.transpose(1, 2, 0)


def from_channels(x: np.ndarray) -> np.ndarray:
    """Map a kernel [out, c 4 4], of inputs by channel and then by pixel, to [4 4 c, out]."""
    return x.reshape(len(x), -1, 4, 4).transpose(2, 3, 1, 0).reshape(-1, len(x))


def around_one(x: np.ndarray) -> np.ndarray:
    """Map the bias of styles to what it adds to 1."""
    return x - 1


# Layers of a stage, which is named after the size of its images.
LAYERS = {
    'conv0': 'conv_0',
    'conv1': 'conv_1',
    'skip': 'shortcut',
    'torgb': 'image',
    'fromrgb': 'image',
}
G_LAYER = r'synthesis\.b(?P<size>\d+)\.(?P<layer>conv0|conv1|skip|torgb)'
D_LAYER = r'b(?P<size>\d+)\.(?P<layer>conv0|conv1|skip|fromrgb)'
# Their names, ours, and how a value becomes ours.
Rules = tuple[tuple[str, str, Change], ...]
MAPPING: Rules = (
    (r'mapping\.embed\.weight', 'params/mapping/label/kernel', linear),
    (r'mapping\.embed\.bias', 'params/mapping/label/bias', same),
    (r'mapping\.fc(?P<n>\d+)\.weight', 'params/mapping/dense_{n}/kernel', linear),
    (r'mapping\.fc(?P<n>\d+)\.bias', 'params/mapping/dense_{n}/bias', same),
)
GENERATOR: Rules = (
    *MAPPING,
    (r'mapping\.w_avg', 'w_avg/mean', same),
    (r'synthesis\.b4\.const', 'params/synthesis/const', const),
    (rf'{G_LAYER}\.weight', 'params/synthesis/{layer}/kernel', conv),
    (rf'{G_LAYER}\.bias', 'params/synthesis/{layer}/bias', same),
    (rf'{G_LAYER}\.affine\.weight', 'params/synthesis/{layer}/styles/kernel', linear),
    (rf'{G_LAYER}\.affine\.bias', 'params/synthesis/{layer}/styles/bias', around_one),
    (rf'{G_LAYER}\.noise_strength', 'params/synthesis/{layer}/noise/strength', same),
    (rf'{G_LAYER}\.noise_const', 'noise/synthesis/{layer}/noise/image', same),
)
DISCRIMINATOR: Rules = (
    *MAPPING,
    (rf'{D_LAYER}\.weight', 'params/{layer}/kernel', conv),
    (rf'{D_LAYER}\.bias', 'params/{layer}/bias', same),
    (r'b4\.conv\.weight', 'params/stage_0_conv/kernel', conv),
    (r'b4\.conv\.bias', 'params/stage_0_conv/bias', same),
    (r'b4\.fc\.weight', 'params/stage_0_dense/kernel', from_channels),
    (r'b4\.fc\.bias', 'params/stage_0_dense/bias', same),
    (r'b4\.out\.weight', 'params/logit/kernel', linear),
    (r'b4\.out\.bias', 'params/logit/bias', same),
)
FILTER = np.outer(TAPS, TAPS)


def place(rules: Rules, name: str) -> tuple[str, Change]:
    """Return where a weight stands among our variables, as a path, and how its value becomes ours.

    Raises:
      UserError: no network of StyleGAN2 has a weight of that name.
    """
    for pattern, template, change in rules:
        if found := re.fullmatch(pattern, name):
            parts = found.groupdict()
            if 'size' in parts:
                stage = (int(parts['size']) // 4).bit_length() - 1
                parts['layer'] = f'stage_{stage}_{LAYERS[parts["layer"]]}'
            return template.format(**parts), change
    raise UserError(f'unknown weight {name!r:.80}: not of a StyleGAN2 as its authors published it')


def variables(rules: Rules, weights: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return our variables of a network's weights by name, float32.

    Raises:
      UserError: a weight that none has, that is of no numbers, or of another rank; or a filter that
        is not that of [1, 3, 3, 1].
    """
    found: dict[str, Any] = {}
    for name, value in weights.items():
        if name.split('.')[-1] == 'resample_filter':
            if value.shape != FILTER.shape or not np.allclose(value, FILTER, atol=1e-6):
                raise UserError(f'{name} is not that of [1, 3, 3, 1], the only one there is here')
            continue
        path, change = place(rules, name)
        *above, leaf = path.split('/')
        node = found
        for part in above:
            node = node.setdefault(part, {})
        node[leaf] = converted(name, value, change)
    return found


def converted(name: str, value: np.ndarray, change: Change) -> np.ndarray:
    """Return a weight as ours; raise UserError where it cannot be one."""
    try:
        if value.dtype.kind != 'f':
            raise ValueError
        return np.array(change(value.astype(np.float32)), order='C')
    except ValueError:
        raise UserError(
            f'{name} is {value.dtype}{list(value.shape)}, no weight of a StyleGAN2'
        ) from None
