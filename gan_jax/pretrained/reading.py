"""Read networks from files: published pickles, or a state dict in .npz or .safetensors."""

import pathlib
import zipfile
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gan_jax import regular
from gan_jax.core.pickles import networks
from gan_jax.errors import UserError

NAMES = ('G', 'G_ema', 'D')
# Classes of the modules of StyleGAN2; what else a file has is another architecture.
KINDS = {
    'Generator', 'MappingNetwork', 'SynthesisNetwork', 'SynthesisBlock', 'SynthesisLayer',
    'ToRGBLayer', 'FullyConnectedLayer', 'Conv2dLayer', 'Discriminator', 'DiscriminatorBlock',
    'DiscriminatorEpilogue', 'MinibatchStdLayer',
}  # fmt: skip


class Found(NamedTuple):
    """Hold the weights of one network by name, and constructor arguments where they are known."""

    weights: Mapping[str, np.ndarray]
    arguments: Mapping[str, Any]


def read(path: pathlib.Path) -> dict[str, Found]:
    """Return the networks of a file by NAMES: at least one generator, G or G_ema.

    Raises:
      UserError: the file cannot be read, holds anything else, or networks of another architecture.
    """
    readers = {'.npz': of_npz, '.safetensors': of_safetensors}
    found = readers.get(path.suffix, of_pickle)(path)
    if not {'G', 'G_ema'} & found.keys():
        raise UserError(f'{path} holds no generator: neither G nor G_ema')
    return found


def of_pickle(path: pathlib.Path) -> dict[str, Found]:
    """Return the networks of a pickle; raise UserError for those that are no StyleGAN2."""
    found = {}
    for name, network in networks.read(path).items():
        if name in NAMES:
            for place, kind in network.kinds.items():
                if kind not in KINDS:
                    raise UserError(
                        f"{path}: unknown architecture: '{name}.{place}' is a {kind:.80}, which no "
                        'StyleGAN2 has'
                    )
            found[name] = Found(network.arrays, network.arguments)
    return found


def of_npz(path: pathlib.Path) -> dict[str, Found]:
    """Return the networks of a .npz that holds a state dict; see `by_network`."""
    try:
        with regular.open_regular(path) as file, np.load(file, allow_pickle=False) as arrays:
            return by_network(path, dict(arrays))
    except OSError as error:
        raise UserError(f'{path} cannot be read: {error.strerror or error}') from None
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, TypeError) as error:
        raise UserError(f'{path} is no .npz of arrays: {error}') from None


def of_safetensors(path: pathlib.Path) -> dict[str, Found]:
    """Return the networks of a .safetensors that holds a state dict; see `by_network`."""
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load
    except ImportError:
        raise UserError(
            f'{path} needs the package safetensors: pip install safetensors; or take .npz'
        ) from None
    try:
        return by_network(path, load(regular.read_bytes(path, 2**32)))
    except OSError as error:
        raise UserError(f'{path} cannot be read: {error.strerror}') from None
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise UserError(f'{path} is no .safetensors of arrays: {error}') from None


def by_network(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> dict[str, Found]:
    """Return a state dict by network: its names begin with one of NAMES, or all are a generator's.

    Raises:
      UserError: some begin so, and others not.
    """
    if not any(name.split('.')[0] in NAMES for name in arrays):
        return {'G_ema': Found(arrays, {})}
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, value in arrays.items():
        network, _, rest = name.partition('.')
        if network not in NAMES:
            raise UserError(f'{path}: {name!r:.80} is of none of the networks {", ".join(NAMES)}')
        found.setdefault(network, {})[rest] = value
    return {name: Found(weights, {}) for name, weights in found.items()}
