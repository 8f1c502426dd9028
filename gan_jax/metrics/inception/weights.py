"""Where the Inception network's weights come from, and the proof that they are the right ones."""

import hashlib
import os
import pathlib
import shutil
import urllib.error
import urllib.request
from typing import NamedTuple

import jax
import numpy as np

from gan_jax import files, regular
from gan_jax.core.pickles import torchfile
from gan_jax.errors import UserError
from gan_jax.metrics.inception.network import EARLY, SIZE, Inception

FILE = 'pt_inception-2015-12-05-6726825d.pth'
URL = f'https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{FILE}'
SHA256 = '6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2'
# the weights of the same network up to its 768-channel map, from Apple's Metal sample code:
# inception_2015_768.npz
EARLY_SHA256 = 'f421d6c0581ff55acda37ea741fb5e4f2791f53c799c62a7fafdf8b27431479a'
EPSILON = 1e-3


class Network(NamedTuple):
    """Hold the network's variables, how deep they reach, and the sha256 of the file they are of."""

    variables: dict
    depth: int
    sha256: str


def sha256(path: pathlib.Path) -> str:
    """Return a file's digest as 64 hex digits."""
    with regular.open_regular(path, empty=True) as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def locate(path: str | pathlib.Path = '') -> pathlib.Path:
    """Return the file of the FID network's weights: the given one, or the cached one, or fetch it.

    Raises:
      UserError: there is none and it cannot be fetched; says what to put where.
    """
    if path:
        if not pathlib.Path(path).is_file():
            raise UserError(f"no weights file '{path}'; it is published as {URL}")
        return pathlib.Path(path)
    target = files.cache() / FILE
    if not target.exists():
        fetch(target)
    return target


def fetch(target: pathlib.Path, url: str = URL) -> None:
    """Download the weights into the cache, checked before they are put in place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f'.{target.name}.{os.getpid()}')
    try:
        with urllib.request.urlopen(url, timeout=60) as source, open(part, 'wb') as file:
            shutil.copyfileobj(source, file)
        verify(part, SHA256)
        os.replace(part, target)
    except (urllib.error.URLError, OSError) as error:
        raise UserError(
            f'the Inception weights cannot be downloaded ({error}); put {url} at {target}, or '
            'name the file by --weights='
        ) from None
    finally:
        part.unlink(missing_ok=True)


def verify(path: pathlib.Path, expected: str) -> str:
    """Return a file's sha256; raise UserError where it is not the expected one."""
    found = sha256(path)
    if found != expected:
        raise UserError(f'{path} has the sha256 {found}, not {expected}: not the FID weights')
    return found


def load(path: str | pathlib.Path = '') -> Network:
    """Load the FID network from the published .pth or the early .npz.

    Raises:
      UserError: no such file, an unknown kind, or a digest that is not the published one.
    """
    place = locate(path)
    if place.suffix not in READERS:
        raise UserError(f'weights {place}: allowed are {", ".join(READERS)}')
    return READERS[place.suffix](place)


def load_pth(path: pathlib.Path) -> Network:
    digest = verify(path, SHA256)
    return Network(from_state_dict(torchfile.read(path)), 2048, digest)


def load_npz(path: pathlib.Path) -> Network:
    digest = verify(path, EARLY_SHA256)
    with np.load(path, allow_pickle=False) as arrays:
        return Network(from_metal(dict(arrays)), 768, digest)


READERS = {'.pth': load_pth, '.npz': load_npz}


def shapes(depth: int) -> dict:
    """Return the tree of shapes of the network's variables."""
    taps = EARLY[-1:] if depth <= 768 else ('logits',)
    image = jax.ShapeDtypeStruct((1, SIZE, SIZE, 3), np.float32)
    return jax.eval_shape(lambda x: Inception().init(jax.random.key(0), x, taps), image)['params']


def layers(tree: dict, prefix: tuple[str, ...] = ()):
    """Yield (path, {'kernel': shape, 'bias': shape}) of each layer."""
    if 'kernel' in tree:
        yield prefix, tree
        return
    for name, child in tree.items():
        yield from layers(child, (*prefix, name))


def assemble(depth: int, read) -> dict:
    """Build the network's variables; read(path, kernel's shape) -> (kernel HWIO, bias)."""
    params: dict = {}
    for path, shape in layers(shapes(depth)):
        node = params
        for name in path:
            node = node.setdefault(name, {})
        kernel, bias = (np.asarray(a, np.float32) for a in read(path, shape['kernel'].shape))
        for name, array in (('kernel', kernel), ('bias', bias)):
            if array.shape != shape[name].shape:
                raise UserError(
                    f'weights of {".".join(path)}: {name} has the shape {array.shape}, not '
                    f'{shape[name].shape}'
                )
        node |= {'kernel': kernel, 'bias': bias}
    return {'params': params}


def from_state_dict(arrays: dict[str, np.ndarray]) -> dict:
    """Fold the batch norms of a state dict into its convolutions; raise UserError for gaps."""

    def read(path: tuple[str, ...], shape: tuple[int, ...]):
        if path == ('fc',):
            return arrays['fc.weight'].T, arrays['fc.bias']
        # a convolution outside the blocks is held under 'conv' here and there
        name = '.'.join(path).removesuffix('.conv')
        norm = {k: arrays[f'{name}.bn.{k}'].astype(np.float64) for k in NORM}
        scale = norm['weight'] / np.sqrt(norm['running_var'] + EPSILON)
        kernel = arrays[f'{name}.conv.weight'].transpose(2, 3, 1, 0) * scale
        return kernel, norm['bias'] - norm['running_mean'] * scale

    try:
        return assemble(2048, read)
    except KeyError as error:
        raise UserError(f'the weights have no {error}: not the FID network') from None


NORM = ('weight', 'bias', 'running_mean', 'running_var')
STEM = ('Conv2d_1a_3x3', 'Conv2d_2a_3x3', 'Conv2d_2b_3x3', 'Conv2d_3b_1x1', 'Conv2d_4a_3x3')
BLOCKS = ('5b', '5c', '5d', '6a', '6b', '6c', '6d', '6e')
TOWERS = {
    'A': {'branch5x5_': 'tower', 'branch3x3dbl_': 'tower_1', 'branch_pool': 'tower_2'},
    'B': {'branch3x3dbl_': 'tower'},
    'C': {'branch7x7_': 'tower', 'branch7x7dbl_': 'tower_1', 'branch_pool': 'tower_2'},
}


def numbered(base: str, i: int) -> str:
    return f'{base}_{i}' if i else base


def metal_name(path: tuple[str, ...]) -> str:
    """Return the name of a layer in Apple's conversion."""
    if path[0] in STEM:
        return numbered('conv', STEM.index(path[0]))
    block = BLOCKS.index(path[0].removeprefix('Mixed_'))
    towers = TOWERS['A' if block < 3 else 'B' if block == 3 else 'C']
    for branch, tower in towers.items():
        rest = path[1].removeprefix(branch)
        if path[1].startswith(branch) and (rest.isdigit() or not rest):
            return f'{numbered("mixed", block)}_{numbered(f"{tower}_conv", int(rest or 1) - 1)}'
    return f'{numbered("mixed", block)}_conv'


def from_metal(arrays: dict[str, np.ndarray]) -> dict:
    """Take the folded weights up to the 768-channel map, flattened [out][h][w][in]."""

    def read(path: tuple[str, ...], shape: tuple[int, ...]):
        name = metal_name(path)
        kernel = arrays[f'weights_{name}'].reshape(shape[3], *shape[:3]).transpose(1, 2, 3, 0)
        return kernel, arrays[f'bias_{name}']

    try:
        return assemble(768, read)
    except (KeyError, ValueError) as error:
        raise UserError(f'the early weights do not fit the FID network: {error}') from None
