"""Find directions of a run's latents that change one attribute, and show what they change."""

import pathlib
from typing import Any

import numpy as np

from gan_jax import files, pictures
from gan_jax.core import keys, strokes
from gan_jax.core.assignments import assignments
from gan_jax.errors import UserError
from gan_jax.training import directions, factorisation, inference
from gan_jax.training.attributes import Attributes
from gan_jax.training.directions import Direction, Walks
from gan_jax.training.exploring import Explorer
from gan_jax.training.workdir import write_json

OF_A_RUN = True
FLAGS = {
    'attributes': keys.names(
        (), f'What to change: {", ".join(strokes.MEASURES)}, and classes of the classifiers.'
    ),
    'classifiers': keys.names((), 'Runs of classifiers whose classes are attributes, and watched.'),
    'method': keys.choice(
        'svm',
        (*directions.METHODS, 'sefa'),
        'Normal of a linear SVM, difference of group means, or SeFa, which needs no attributes.',
    ),
    'samples': keys.count(4000, 'Samples that directions are fitted to.', low=100, high=1_000_000),
    'share': keys.number(
        0.25, 'Share of the samples with highest scores, and with lowest.', above=0, high=0.5
    ),
    'components': keys.count(5, 'Directions of SeFa.', high=10_000),
    'num': keys.count(200, 'Latents that are walked along each direction.', high=100_000),
    'steps': keys.count(10, 'Steps of a walk.', high=1000),
    'reach': keys.number(
        2.0, 'How far a walk goes to both sides of the mean, in standard deviations.', above=0
    ),
    'rows': keys.count(8, 'Latents that are shown.', high=64),
    'frames': keys.count(32, 'Frames of a video there and back.', low=2, high=1000),
    'space': keys.text('', 'Latents to move, z or w; w by default, or else z.'),
    **inference.FLAGS,
    'out': keys.path('', 'Folder to write to; WORKDIR/directions by default.'),
}


def run(config: Any, workdir: pathlib.Path, flags: Any) -> None:
    """Write NAME.png and a video of each direction, directions.json and directions.npz.

    Raises:
      UserError: no such run, checkpoint, attribute, space, class or option, an attribute with one
        class only, or latents that have no directions.
    """
    attributes = Attributes.of(flags.attributes, flags.classifiers)
    if flags.method != 'sefa' and not attributes.names:
        available = ', '.join([*attributes.measures, *attributes.places()])
        raise UserError(f'--mode=directions needs --attributes=; available: {available}')
    trained = inference.load(workdir, flags.step, flags.maker, flags.member)
    options = assignments(flags.options, '--options')
    explorer = Explorer.of(trained, flags.space, flags.label, options)
    samples = explorer.samples(flags.num + flags.samples, flags.seed, attributes)
    start, fitted = samples.part(slice(flags.num)), samples.part(slice(flags.num, None))
    if flags.method == 'sefa':
        found = factorisation.sefa(explorer, fitted, flags.components)
    else:
        found = directions.of_attributes(fitted, attributes, flags.method, flags.share)
    walks = Walks(explorer, attributes, fitted, start, flags.steps, flags.reach)
    out = pathlib.Path(flags.out or workdir / 'directions')
    measured = []
    for direction in found:
        measured.append(walks.measure(direction))
        made = show(walks, direction, flags, out)
        print(f'{line(measured[-1], flags.num)}; {made}')
    told = ('method', 'samples', 'share', 'num', 'steps', 'reach', 'seed', 'label')
    settings = {name: flags[name].value for name in told}
    settings |= {'step': trained.step, 'space': explorer.space, 'options': dict(explorer.options)}
    write_json(out / 'directions.json', {**settings, 'directions': measured})
    arrays: dict[str, Any] = {direction.name: direction.vector for direction in found}
    with files.replacing(out / 'directions.npz') as temporary:
        np.savez(temporary, **arrays)
    print(f'directions.json and directions.npz of step {trained.step} in {out}')


def show(walks: Walks, direction: Direction, flags: Any, out: pathlib.Path) -> str:
    """Write the picture, a latent a row and a step a column, and the video; return their names."""
    trained, name = walks.explorer.trained, direction.name.replace('/', '_')
    picture = trained.kind.picture(walks.grid(direction, flags.rows, flags.steps), trained.field)
    pictures.save_png(out / f'{name}.png', picture)
    there = walks.grid(direction, flags.rows, flags.frames // 2)
    frames = [trained.kind.picture(x, trained.field) for x in there.swapaxes(0, 1)]
    return f'{name}.png, {pictures.movie([*frames, *frames[-2:0:-1]], out / name)}'


def line(measured: dict[str, Any], num: int) -> str:
    """Return what a direction changes, as a line for people."""
    name, accuracy = measured['name'], measured['accuracy']
    parts = [] if accuracy is None else [f'right on {accuracy:.1%} of the samples held out']
    for attribute, found in measured['attributes'].items():
        share = max(found['rising'], found['falling'])
        parts.append(
            f'{attribute} {found["change"]:+.2f} deviations, monotone in {share:.1%} of {num}'
        )
    for path, kept in measured['kept'].items():
        parts.append(f'class by {path} kept in {kept["walks"]:.1%}')
    return f'{name}: {"; ".join(parts)}'
