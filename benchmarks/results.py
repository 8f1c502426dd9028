"""Make rows of docs/results.md: train a config, measure it, and rewrite its own row.

python benchmarks/results.py --only=NAME[,NAME] [--seeds=3] [--list] [--workdir=runs/results]
    [--docs=docs] [LAUNCH ARGUMENTS, as --config.data.path=DIR]

What is run and shown of a config is in benchmarks/results.toml. Values are mean +- standard error
over the seeds; their certificates go to docs/results/NAME.json, the last grid of the first seed to
docs/results/NAME.png. The column 'seen' and the other rows stay as they are, and the documents are
changed only when all runs of a config are done. The same command again trains what is missing.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from gan_jax.algorithms import members
from gan_jax.errors import UserError, reported, unknown
from gan_jax.files import replacing

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = pathlib.Path(__file__).with_suffix('.toml')
# the eval command of docs/results.md
EVAL = ('--num=5000',)
COLUMNS = 5

Values = dict[str, list[float]]


def spread(values: Sequence[float], form: str) -> str:
    """Return mean +- standard error, or the mean alone of one value."""
    mean, error = members.spread(values)
    return format(mean, form) + (f' +- {error:.2g}' if len(values) > 1 else '')


def rewritten(text: str, name: str, images: str, values: str) -> str:
    """Return a document with two cells of a config's row replaced: images and minutes, values.

    Raises:
      UserError: the document has no such row, or several.
    """
    lines = text.splitlines(keepends=True)
    found = [i for i, line in enumerate(lines) if line.startswith(f'| `{name}` |')]
    if len(found) != 1:
        raise UserError(f'the table has {len(found)} rows of {name!r}, and should have one')
    cells = [cell.strip() for cell in lines[found[0]].strip().strip('|').split(' |')]
    if len(cells) != COLUMNS:
        raise UserError(f'the row of {name!r} has {len(cells)} cells, and should have {COLUMNS}')
    cells[2:4] = images, values
    lines[found[0]] = '|' + ''.join(f' {cell} |' if cell else ' |' for cell in cells) + '\n'
    return ''.join(lines)


def pictured(text: str, name: str) -> str:
    """Return a document that shows a config's grid, after those of the rows above its own."""
    lines = text.splitlines(keepends=True)
    rows = [line.split('`')[1] for line in lines if line.startswith('| `')]
    above, place = rows[: rows.index(name) + 1], 0
    for i, line in enumerate(lines):
        shown = line.removeprefix('![').partition('](results/')[0]
        if shown == name:
            del lines[i]
            place = i
            break
        place = i + 1 if line.startswith('![') and shown in above else place
    return ''.join([*lines[:place], f'![{name}](results/{name}.png)\n', *lines[place:]])


def command(*arguments: str, **environment: str) -> None:
    """Run launch.py, with variables beside those of this process.

    Raises:
      UserError: it failed; it has said why.
    """
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get('PYTHONPATH'))))
    run = [sys.executable, str(ROOT / 'launch.py'), *arguments]
    variables = {**os.environ, **environment, 'PYTHONPATH': path}
    status = subprocess.run(run, env=variables, check=False).returncode
    if status:
        raise UserError(f'launch.py {" ".join(arguments)} ended with status {status}')


def train(name: str, folder: pathlib.Path, *arguments: str) -> None:
    """Train a config in a folder, or what is missing of it."""
    config = f'--config={ROOT / "configs" / name}.py'
    command(config, f'--workdir={folder}', *arguments)


def certificates(folder: pathlib.Path, classifier: pathlib.Path, *chosen: str) -> list[Any]:
    """Measure a run by the features of a classifier, and return the certificates."""
    out = folder / 'certificates.json'
    features = ('--features=classifier', f'--weights={classifier}', f'--out={out}')
    command('--mode=eval', f'--workdir={folder}', *features, *chosen)
    return json.loads(out.read_text())


def logged(folder: pathlib.Path) -> dict[str, float]:
    """Return the last value of everything that a run logged."""
    last: dict[str, float] = {}
    for line in (folder / 'metrics.jsonl').read_text().splitlines():
        last.update(json.loads(line))
    return last


def one_seed(
    name: str, entry: Mapping[str, Any], folder: pathlib.Path, seed: int, given: Sequence[str]
) -> dict[str, Any]:
    """Train and measure one seed; return what is kept of it."""
    train(name, folder / str(seed), *entry.get('arguments', ()), *given, f'--config.seed={seed}')
    found: list[Any] = []
    if 'metrics' in entry:
        size = entry.get('size', '')
        classifier = folder.parent / f'classifier_mnist{size}' / '0'
        if not (classifier / 'result.json').exists():
            train('classifier_mnist', classifier, f'--config.data.size={size}', *given)
        chosen = f'--metrics={",".join(entry["metrics"])}', *entry.get('eval', EVAL)
        found = certificates(folder / str(seed), classifier, *chosen)
    result = json.loads((folder / str(seed) / 'result.json').read_text())
    kept = {key: result[key] for key in ('device', 'digest', 'images', 'versions')}
    # Where the data lies says nothing of the run.
    own = [one for one in given if not one.startswith('--config.data.path=')]
    about = {'seed': seed, 'given': [*entry.get('arguments', ()), *own], **kept}
    return {**about, 'values': logged(folder / str(seed)), 'certificates': found}


def cells(name: str, entry: Mapping[str, Any], seeds: Sequence[Any]) -> tuple[str, str]:
    """Return the cells of images and minutes, and of values.

    Raises:
      UserError: a run has not logged what the table shows.
    """
    shown = []
    for key, (title, form) in entry.get('shown', {}).items():
        if missing := [one['seed'] for one in seeds if key not in one['values']]:
            raise UserError(f'{name}: seed {missing[0]} has not logged {key!r}')
        paper = f' (paper: {entry["paper"][key]})' if key in entry.get('paper', {}) else ''
        shown.append(f'{title} {spread([one["values"][key] for one in seeds], form)}{paper}')
    for i, certificate in enumerate(seeds[0]['certificates']):
        values = [one['certificates'][i]['value'] for one in seeds]
        shown.append(f'{certificate["metric"]} {spread(values, ".4g")}')
    images, minutes = ([one['values'][key] for one in seeds] for key in ('images', 'seconds'))
    count = f'{images[0] / 1e6:.1f} M' if images[0] >= 1e6 else f'{images[0] / 1e3:.0f} k'
    took = spread([m / 60 for m in minutes], '.1f')
    note = f'{len(seeds)} seeds, {os.cpu_count()} cores' if len(seeds) > 1 else 'seed 0'
    return f'{count}, {took} ({note})', f'{"; ".join(shown)} ([record](results/{name}.json))'


def publish(name: str, entry: Mapping[str, Any], seeds: list[Any], grid: Any, docs: Any) -> None:
    """Write the row, the record and the grid of a config; all or, after an error, none."""
    document = docs / 'results.md'
    text = pictured(rewritten(document.read_text(), name, *cells(name, entry, seeds)), name)
    record = {'machine': platform.machine(), 'cores': os.cpu_count(), 'seeds': seeds}
    with (
        replacing(document) as row,
        replacing(docs / 'results' / f'{name}.json') as kept,
        replacing(docs / 'results' / f'{name}.png') as picture,
    ):
        row.write_text(text)
        kept.write_text(json.dumps(record, indent=1) + '\n')
        shutil.copyfile(grid, picture)


def last_grid(folder: pathlib.Path) -> pathlib.Path:
    """Return the picture that a run drew last."""
    return max((folder / 'samples').glob('[0-9]*.png'), key=lambda path: int(path.stem))


def main() -> None:
    """Train what is missing of each config, and rewrite its row.

    Raises:
      UserError: an unknown name, or a run that failed.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument('--only', default='', help='configs, with commas')
    parser.add_argument('--seeds', type=int, default=3, help='runs of each')
    parser.add_argument('--list', action='store_true', help='print what there is, and end')
    parser.add_argument('--workdir', default='runs/results', help='folder of the runs')
    parser.add_argument('--docs', default=ROOT / 'docs', type=pathlib.Path, help='where to write')
    args, given = parser.parse_known_args()
    table = tomllib.loads(TABLE.read_text())
    if args.list:
        for name, entry in table.items():
            print(name, entry.get('command', ''))
        return
    names = [name for name in args.only.split(',') if name]
    for name in names:
        if name not in table:
            raise unknown('config in --only', name, table)
    if not names or args.seeds < 1:
        raise UserError(f'--only={args.only!r} --seeds={args.seeds}: give a config and 1 or more')
    for name in names:
        if 'command' in table[name]:
            raise UserError(f'{name} is for a GPU: {table[name]["command"]}')
        folder = pathlib.Path(args.workdir, name).resolve()
        seeds = [one_seed(name, table[name], folder, i, given) for i in range(args.seeds)]
        publish(name, table[name], seeds, last_grid(folder / '0'), args.docs)


if __name__ == '__main__':
    with reported():
        main()
