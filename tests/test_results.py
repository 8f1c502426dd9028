"""docs/results.md is rewritten row by row, by runs that have ended."""

import importlib.util
import json
import pathlib
import subprocess
import sys
import tomllib

import pytest

from gan_jax.errors import UserError

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / 'benchmarks' / 'results.py'
spec = importlib.util.spec_from_file_location('results', PROGRAM)
results = importlib.util.module_from_spec(spec)
spec.loader.exec_module(results)
DOCUMENT = (ROOT / 'docs' / 'results.md').read_text()


def call(*arguments):
    """Run the command; return status, output and errors."""
    run = [sys.executable, str(PROGRAM), *arguments]
    done = subprocess.run(run, capture_output=True, text=True, timeout=200, check=False)
    return done.returncode, done.stdout, done.stderr


def cells(document, name):
    """Return the cells of a row."""
    (line,) = (x for x in document.splitlines() if x.startswith(f'| `{name}` |'))
    return [cell.strip() for cell in line.split('|')[1:-1]]


def copied(folder):
    """Return a folder of documents with the table."""
    (folder / 'docs').mkdir()
    (folder / 'docs' / 'results.md').write_text(DOCUMENT)
    return folder / 'docs'


@pytest.mark.parametrize('name', ['mlp_mnist', 'convae_mnist'])
def test_a_row_is_rewritten_and_no_other(name):
    text = results.rewritten(DOCUMENT, name, '1 k, 2', 'loss 3')
    before, after = cells(DOCUMENT, name), cells(text, name)
    assert after == [*before[:2], '1 k, 2', 'loss 3', before[4]]
    changed = [
        (a, b) for a, b in zip(DOCUMENT.splitlines(), text.splitlines(), strict=True) if a != b
    ]
    assert len(changed) == 1
    assert results.rewritten(text, name, '1 k, 2', 'loss 3') == text
    with pytest.raises(UserError, match="0 rows of 'nothing'"):
        results.rewritten(DOCUMENT, 'nothing', '', '')


def test_a_grid_is_shown_once_and_in_the_order_of_the_rows():
    for name in ('mlp_digits', 'dcgan_cifar10'):
        text = results.pictured(DOCUMENT, name)
        assert text.count(f'![{name}](results/{name}.png)') == text.count(f'![{name}](') == 1
        assert len(text.splitlines()) == len(DOCUMENT.splitlines())
    lines = results.pictured(DOCUMENT, 'mlp_grid').splitlines()
    at = lines.index('![mlp_grid](results/mlp_grid.png)')
    assert lines[at - 1].startswith('![mlp_digits]') and lines[at + 1] in DOCUMENT
    assert results.pictured(DOCUMENT, 'mlp_digits') == DOCUMENT


def test_what_can_be_run_is_what_there_is():
    table = tomllib.loads(results.TABLE.read_text())
    for name, entry in table.items():
        assert (ROOT / 'configs' / f'{name}.py').exists() and cells(DOCUMENT, name)
        assert {*entry} <= {'arguments', 'shown', 'metrics', 'eval', 'size', 'paper', 'command'}
        assert 'shown' in entry or 'metrics' in entry


def test_values_are_a_mean_with_its_standard_error_beside_the_papers():
    entry = {'shown': {'val_loss': ['nats', '.1f']}, 'paper': {'val_loss': 161.2}}
    seeds = [
        {'seed': i, 'values': {'val_loss': v, 'images': 6e6, 'seconds': 60}, 'certificates': []}
        for i, v in enumerate((1.0, 2.0, 3.0))
    ]
    images, values = results.cells('vae_mnist', entry, seeds)
    # the deviation of 1, 2, 3 is 1, that of their mean 1 / sqrt(3)
    assert values == 'nats 2.0 +- 0.58 (paper: 161.2) ([record](results/vae_mnist.json))'
    assert images.startswith('6.0 M, 1.0 +- 0 (3 seeds')
    del seeds[1]['values']['val_loss']
    with pytest.raises(UserError, match="seed 1 has not logged 'val_loss'"):
        results.cells('vae_mnist', entry, seeds)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('--only=nothing',), "unknown config in --only 'nothing'"),
        (('--only=mlp_digits', '--seeds=0'), '--seeds=0'),
        (('--only=dcgan_mnist',), 'dcgan_mnist is for a GPU: python launch.py'),
    ],
)
def test_what_cannot_be_done_is_one_line_and_changes_nothing(tmp_path, arguments, message):
    docs = copied(tmp_path)
    status, _, said = call(*arguments, f'--workdir={tmp_path / "runs"}', f'--docs={docs}')
    assert status == 2 and message in said.splitlines()[-1] and 'Traceback' not in said
    assert (docs / 'results.md').read_text() == DOCUMENT
    assert [path.name for path in pathlib.Path(docs).iterdir()] == ['results.md']


def test_a_run_of_some_steps_writes_row_record_and_grid(tmp_path):
    docs = copied(tmp_path)
    short = ('--config.duration=20st', '--config.log.every=10st', '--config.steps_per_call=10')
    where = (f'--workdir={tmp_path / "runs"}', f'--docs={docs}')
    status, _, said = call('--only=mlp_digits', '--seeds=1', *where, *short)
    assert status == 0, said
    document = (docs / 'results.md').read_text()
    before, after = cells(DOCUMENT, 'mlp_digits'), cells(document, 'mlp_digits')
    assert after[2].startswith('1 k, 0.') and 'd_loss ' in after[3] and after[4] == before[4]
    (seed,) = json.loads((docs / 'results' / 'mlp_digits.json').read_text())['seeds']
    assert seed['images'] == 20 * 64 and seed['values']['step'] == 20 and len(seed['digest']) == 64
    drawn = (docs / 'results' / 'mlp_digits.png').read_bytes()
    assert drawn == (tmp_path / 'runs' / 'mlp_digits' / '0' / 'samples' / '20.png').read_bytes()
