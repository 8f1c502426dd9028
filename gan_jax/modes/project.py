"""Fit the latents of a run's generator to real images, and show how near it comes."""

import pathlib
from typing import Any

import numpy as np

from gan_jax import data, files, pictures, regular
from gan_jax.core import keys
from gan_jax.core.assignments import assignments
from gan_jax.data import geometry
from gan_jax.data.images import SUFFIXES, BadImage, decode
from gan_jax.errors import UserError
from gan_jax.kinds.image import scale
from gan_jax.metrics import sets
from gan_jax.perceptual import lpips, weights
from gan_jax.training import inference, projection

OF_A_RUN = True
FLAGS = {
    'images': keys.path('', 'Images to fit: a file, a folder, a zip, or as REAL of metrics.'),
    'num': keys.count(8, 'Images to fit at most, the first ones.', high=10_000),
    'space': keys.text(
        '', 'Latents to fit, z, w or w+, a w for each layer; w by default, or else z.'
    ),
    'steps': keys.count(1000, 'Steps of Adam.'),
    'rate': keys.number(0.1, 'Largest learning rate.', above=0),
    'fit_noise': keys.flag(True, 'Fit the noise images of the layers too, where there are any.'),
    **inference.FLAGS,
    'out': keys.path('', 'Folder to write to; WORKDIR/projection by default.'),
}


def run(config: Any, workdir: pathlib.Path, flags: Any) -> None:
    """Write projection.png, each image as a file of its kind, and latents.npz; print LPIPS.

    A row of the picture has the image, and what was made for it after 0, 10, 30 and 100 % of the
    steps.

    Raises:
      UserError: no such run, checkpoint, class, option, image or space, or no weights of LPIPS.
    """
    if not flags.images:
        raise UserError('--mode=project needs --images=, an image or a folder of images')
    given = lpips.variables(weights.load())
    trained = inference.load(workdir, flags.step, flags.maker, flags.member)
    options = assignments(flags.options, '--options')
    how = {'steps': flags.steps, 'rate': flags.rate, 'fit_noise': flags.fit_noise}
    fit = projection.Projector.of(trained, flags.space, flags.label, options, **how)
    names, targets = read(flags.images, flags.num, trained)
    out = pathlib.Path(flags.out or workdir / 'projection')
    found = []
    for i, (name, target) in enumerate(zip(names, targets, strict=True)):
        found.append(fit(given, scale(target, trained.field.span), flags.seed))
        first, *_, last = found[-1].distances
        print(f'{name}: LPIPS {last:.4f} in {fit.title}, {first:.4f} at the start')
        path = out / f'{i:05d}{trained.kind.suffix}'
        trained.kind.write(path, found[-1].images[-1], trained.field)
    rows = [np.stack([t, *p.images]) for t, p in zip(targets, found, strict=True)]
    pictures.save_png(out / 'projection.png', trained.kind.picture(np.stack(rows), trained.field))
    save(out / 'latents.npz', fit.title, found)
    print(f'{len(found)} images of step {trained.step}, projection.png and latents.npz in {out}')


def save(path: pathlib.Path, space: str, found: list[projection.Projection]) -> None:
    """Write latents under the name of their space, their LPIPS, and noise images, [n, ...] each."""
    arrays: dict[str, Any] = {
        f'noise/{name}': np.stack([p.noise[name] for p in found]) for name in found[0].noise
    }
    arrays[space] = np.stack([p.latents for p in found])
    arrays['lpips'] = np.stack([p.distances[-1] for p in found])
    with files.replacing(path) as temporary:
        np.savez(temporary, **arrays)


def read(path: str, num: int, trained: inference.Trained) -> tuple[list[str], np.ndarray]:
    """Return names and images uint8 [n, H, W, C], brought to the model's shape as its data was.

    Raises:
      UserError: they cannot be read, or cannot be brought to it.
    """
    height, width, channels = trained.field.shape
    shape = {
        key: trained.config.data.get(key, default)
        for key, default in data.defaults().items()
        if key in ('crop', 'resize', 'background')
    } | {'size': f'{height}x{width}', 'channels': channels}
    if pathlib.Path(path).suffix.lower() in SUFFIXES:
        return [path], one(pathlib.Path(path), geometry.make(**shape))[None]
    found = sets.open_set(path, **shape)
    indices = np.arange(min(num, len(found)))
    (batch,) = found.batches(indices, num)
    return [found.image_name(int(i)) for i in indices], batch.images


def one(path: pathlib.Path, fit: geometry.Geometry) -> np.ndarray:
    """Return the image of a file, uint8; raise UserError where it is none."""
    try:
        return sets.to_uint8(decode(files.read_bytes(path, regular.MAX_BYTES), fit))
    except FileNotFoundError:
        raise UserError(f"there is no image '{path}'") from None
    except BadImage as error:
        raise UserError(f'{path} {error}') from None
