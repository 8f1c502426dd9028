"""docs/extend.md: each example, put into a folder of one's own, is found and runs."""

import os
import re
import shlex
import subprocess
import sys

import pytest
import runs
from conftest import ROOT

DOC = (ROOT / 'docs' / 'extend.md').read_text()
SECTIONS = re.findall(r'^## (?:A|An) (.+?)\n(.*?)(?=^## |\Z)', DOC, re.M | re.S)
FILES = re.compile(r'^```python\n# (\S+\.py)\n(.*?)^```$', re.M | re.S)
COMMANDS = re.compile(r'^GAN_JAX_PLUGINS=mine python (launch.py .*)$', re.M)
SHORT = '--config.duration=2st --config.batch_size=8 --config.devices=1 --config.steps_per_call=1'
EXAMPLES = [(what, text) for what, text in SECTIONS if COMMANDS.search(text)]


@pytest.mark.parametrize(('what', 'text'), EXAMPLES, ids=[what for what, _ in EXAMPLES])
def test_an_example_runs_from_a_folder_of_its_own(what, text, tmp_path):
    for name, code in FILES.findall(text):
        path = tmp_path / 'mine' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    for command in COMMANDS.findall(text):
        short = '' if '--mode' in command else SHORT
        done = subprocess.run(
            [sys.executable, *shlex.split(f'{command} {short}'), f'--workdir={tmp_path / "run"}'],
            cwd=ROOT,
            env={**os.environ, 'GAN_JAX_PLUGINS': str(tmp_path / 'mine')},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    assert runs.result(tmp_path / 'run')['step'] == 2


def test_everything_that_can_be_added_has_an_example():
    parts = {'loss', 'term', 'model', 'algorithm', 'source', 'kind', 'mode'}
    assert {what for what, text in EXAMPLES if FILES.search(text)} == parts
