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
COMMANDS = re.compile(r'^```\nGAN_JAX_PLUGINS=mine python (.*?)\n```$', re.M | re.S)
SHORT = '--config.duration=2st --config.batch_size=8 --config.devices=1 --config.steps_per_call=1'


@pytest.mark.parametrize(('what', 'text'), SECTIONS, ids=[what for what, _ in SECTIONS])
def test_an_example_runs_from_a_folder_of_its_own(what, text, tmp_path):
    for name, code in FILES.findall(text):
        path = tmp_path / 'mine' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    environment = {**os.environ, 'GAN_JAX_PLUGINS': str(tmp_path / 'mine')}
    for number, command in enumerate(COMMANDS.findall(text)):
        folder = tmp_path / f'run{number}'
        done = subprocess.run(
            [sys.executable, *shlex.split(f'{command} {SHORT}'), f'--workdir={folder}'],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert runs.result(folder)['step'] == 2
    assert FILES.findall(text) and COMMANDS.findall(text)
