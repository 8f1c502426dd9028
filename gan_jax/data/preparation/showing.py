"""Pictures and lines about a set: a preview grid, a histogram of sizes, the facts in words."""

import pathlib
from collections.abc import Mapping

import numpy as np
from PIL import Image

from gan_jax import kinds, pictures
from gan_jax.data.labels import UNKNOWN
from gan_jax.data.preparation.facts import Facts
from gan_jax.data.protocol import Spec
from gan_jax.data.sources.prepared import Shards

SHOWN = 64


def tile(images: np.ndarray) -> np.ndarray:
    """Lay images [N, H, W, C] out in a grid that is about square, [rows H, columns W, C]."""
    n, h, w, c = images.shape
    columns = int(np.ceil(np.sqrt(n * h / w)))
    rows = -(-n // columns)
    grid = np.zeros((rows * columns, h, w, c), images.dtype)
    grid[:n] = images
    return grid.reshape(rows, columns, h, w, c).swapaxes(1, 2).reshape(rows * h, columns * w, c)


def visible(images: np.ndarray) -> np.ndarray:
    """Return images of any dtype and channels as uint8 with 1 or 3 channels."""
    if images.dtype.kind == 'f':
        low, high = float(images.min()), float(images.max())
        images = ((images - low) / max(high - low, 1e-6) * 255).astype(np.uint8)
    if images.dtype == np.uint16:
        images = (images >> 8).astype(np.uint8)
    return images[..., :3] if images.shape[-1] >= 3 else images[..., :1]


def preview(folder: pathlib.Path) -> None:
    """Write preview.png: examples spread over a prepared set; pairs lie side by side."""
    source = Shards(folder)
    spread = np.unique(np.linspace(0, len(source) - 1, min(SHOWN, len(source))).astype(int))
    batch = source.batch(spread)
    if not source.spec.images:
        field = source.spec.fields[source.spec.main]
        shown = kinds.find(field.kind).picture(batch[source.spec.main], field)
        pictures.save_png(folder / 'preview.png', shown)
        return
    parts = [visible(batch[name]) for name in source.spec.images]
    channels = max(p.shape[-1] for p in parts)
    parts = [np.repeat(p, channels // p.shape[-1], axis=-1) for p in parts]
    grid = tile(np.concatenate(parts, axis=2))
    Image.fromarray(grid[:, :, 0] if channels == 1 else grid).save(folder / 'preview.png')


def histogram(sizes: Mapping[str, int], path: pathlib.Path) -> None:
    """Write a histogram of the heights and widths of the original images."""
    # imported late: slow, and needed for this picture only
    from matplotlib.figure import Figure

    pairs = [tuple(map(int, size.split('x'))) for size in sizes]
    weights = list(sizes.values())
    figure = Figure(figsize=(6, 3), layout='constrained')
    axes = figure.subplots(1, 2, sharey=True)
    for axis, side, name in zip(axes, (0, 1), ('height', 'width'), strict=True):
        axis.hist([p[side] for p in pairs], bins=30, weights=weights)
        axis.set_xlabel(f'{name} (pixels)')
    axes[0].set_ylabel('images')
    figure.savefig(path, dpi=100)


def shape_of(spec: Spec) -> str:
    """Return the shape of what a set is of, for people."""
    if not spec.images:
        return f'{"x".join(map(str, spec.shape))} ({spec.fields[spec.main].kind})'
    h, w, c = spec.shape
    return f'{h}x{w}, {c} channels'


def describe(facts: Facts, spec: Spec, examples: int) -> list[str]:
    """Put facts into lines for people."""
    lines = [
        f'examples   {facts.count} of {examples}',
        f'shape      {shape_of(spec)}, {spec.dtype}',
    ]
    if facts.sizes:
        common = ', '.join(f'{size} ({n})' for size, n in facts.sizes.most_common(5))
        more = f', {len(facts.sizes) - 5} more' if len(facts.sizes) > 5 else ''
        lines.append(f'sizes seen {common}{more}')
    if spec.num_classes:
        counts = [facts.labels.get(str(i), 0) for i in range(spec.num_classes)]
        names = ', '.join(f'{n} ({k})' for n, k in list(zip(spec.classes, counts, strict=True))[:5])
        more = f', {spec.num_classes - 5} more' if spec.num_classes > 5 else ''
        lines.append(f'classes    {spec.num_classes}: {names}{more}')
    if facts.labels[str(UNKNOWN)]:
        lines.append(f'unlabelled {facts.labels[str(UNKNOWN)]} (label {UNKNOWN})')
    lines += [
        f'{name:10} {field.kind}, {field.dtype} {list(field.shape)}'
        for name, field in spec.fields.items()
        if field.kind not in ('image', 'label') and name != spec.main
    ]
    for name, values in facts.moments().items():
        mean, deviation = (' '.join(f'{x:.2f}' for x in values[key]) for key in ('mean', 'std'))
        lines.append(f'{name:10} mean {mean}, deviation {deviation}')
    lines.append(f'bad        {len(facts.bad)}')
    return lines + [f'  {name}: {reason}' for name, reason in facts.bad]
