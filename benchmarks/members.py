"""Time members of one program against as many runs, from the command to the result, and a step.

python benchmarks/members.py --members=8 --steps=2000 --devices=2 [--config.KEY=VALUE ...]

Of virtual devices of a CPU, which the members share: a run alone has one.
"""

import argparse
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Of a line of progress that does not go to a terminal.
SPEED = re.compile(r'([\d,]+) images/s')


def train(workdir: pathlib.Path, *keys: str, devices: int = 1) -> tuple[float, float, float]:
    """Train by the command; return seconds, CPU seconds, and images a second at its last log."""
    used, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    out = subprocess.run(
        [sys.executable, 'launch.py', f'--workdir={workdir}', *keys],
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'JAX_NUM_CPU_DEVICES': str(devices)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    seconds, now = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    return seconds, cpu, float(SPEED.findall(out)[-1].replace(',', ''))


def main() -> None:
    """Print seconds and CPU seconds of both, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument('--config', default='configs/mlp_digits.py')
    parser.add_argument('--members', type=int, default=8)
    parser.add_argument('--devices', type=int, default=1, help='Virtual devices of the members.')
    parser.add_argument('--alone', type=int, default=0, help='Runs to time; 0 for all.')
    parser.add_argument('--steps', type=int, default=2000)
    given, more = parser.parse_known_args()
    keys = [f'--config={given.config}', f'--config.duration={given.steps}st', *more]
    count = given.alone or given.members
    with tempfile.TemporaryDirectory() as folder:
        here = pathlib.Path(folder)
        alone = [train(here / str(seed), *keys, f'--config.seed={seed}') for seed in range(count)]
        seeds = f'--config.seeds={given.members}'
        group = train(here / 'group', *keys, seeds, devices=given.devices)
    of_all = [sum(column) * given.members / count for column in zip(*alone, strict=True)]
    print(f'{given.members} runs: {of_all[0]:.1f} s, {of_all[1]:.1f} s of CPU')
    print(f'{given.members} members: {group[0]:.1f} s, {group[1]:.1f} s of CPU')
    print(f'ratios: {of_all[0] / group[0]:.2f}, of CPU {of_all[1] / group[1]:.2f}')
    # A group's step is one of every member, so that its images count once for each.
    print(f'a step: {group[2] * given.members / (of_all[2] / given.members):.2f}')


if __name__ == '__main__':
    main()
