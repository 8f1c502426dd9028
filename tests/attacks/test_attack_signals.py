"""Signals, kills and pairs of processes, over and over: `pytest -m slow tests/attacks -s`."""

import os
import random
import re
import shutil
import signal
import time

import pytest
import runs

from gan_jax.runtime import peers
from gan_jax.training import lock

pytestmark = pytest.mark.slow

STOPPED = r'stopped (by SIG(INT|TERM)|before any step: .*|at step \d+, saved in .*)\n'
LOST = r'a process of the run was lost: (everything up to step \d+ is|nothing was) saved in .*\n'
WORKERS = ['--config.data.device_cache_mb=0', '--config.data.workers=2']
CLASSIFIER = [
    '--config.algorithm=classifier',
    '--config.model.name=classifier',
    '--config.model.classes=10',
    '--config.model.classifier.widths=8,16',
    '--config.duration=50st',
]
EVALUATED = [
    '--config.eval.every=50st',
    '--config.eval.metrics=fid,kid',
    '--config.eval.features=classifier',
    '--config.eval.num=1500',
    '--config.eval.num_real=1500',
    '--config.log.every=50st',
    '--config.duration=5000st',
]


@pytest.fixture
def count(capsys):
    """Give a function that repeats an attack, which returns whether all was well, and counts."""

    def repeat(what, times, attack):
        results = [attack(i) for i in range(times)]
        clean = sum(result is True for result in results)
        with capsys.disabled():
            print(f'\n{what}: {clean} of {times} clean', flush=True)
        assert clean == times, [result for result in results if result is not True]

    return repeat


def stopped(process, folder, signum):
    """Return whether a run ended as one that was stopped should, else what was seen."""
    status, out, err = runs.finish(process)
    whole = not folder.exists() or bool(runs.steps(folder))
    good = status == 128 + signum and re.fullmatch(STOPPED, err) and whole
    return bool(good) or (status, out, err, whole)


def test_signals_at_every_moment_of_the_start(count, tmp_path):
    def attack(i):
        folder, signum = tmp_path / str(i), random.choice([signal.SIGINT, signal.SIGTERM])
        process = runs.start(folder, *runs.QUICK, '--config.duration=100000st')
        # Python itself takes a moment before it reads the first line of launch.py.
        time.sleep(0.3 + i * 0.1)
        process.send_signal(signum)
        return stopped(process, folder, signum)

    count('signals during the start', 100, attack)


@pytest.fixture
def classifier(tmp_path):
    """Return the folder of a classifier of digits."""
    folder = tmp_path / 'classifier'
    done = runs.finish(runs.start(folder, *CLASSIFIER))
    assert done[0] == 0, done
    return folder


def test_sigterm_during_evaluations(count, tmp_path, classifier):
    folder = tmp_path / 'run'
    arguments = [*runs.QUICK, *EVALUATED, f'--config.eval.weights={classifier}']

    def attack(i):
        before = runs.steps(folder)[-1] if folder.exists() else 0
        if before > 4000:
            shutil.rmtree(folder)
            before = 0
        process = runs.start(folder, *arguments)
        runs.until(lambda: reported(folder, before), f'a step after {before}', 600, process)
        time.sleep(random.uniform(0, 1))
        process.send_signal(signal.SIGTERM)
        return stopped(process, folder, signal.SIGTERM)

    count('SIGTERM during evaluations', 100, attack)


def reported(folder, step):
    """Return whether a run has reported a later step."""
    path = folder / 'metrics.jsonl'
    return path.exists() and any(line['step'] > step for line in runs.metrics(folder))


def test_two_signals_in_a_row(count, tmp_path):
    def attack(i):
        folder = tmp_path / str(i)  # one in which waiting for a step means that this run is there
        process = runs.start(folder, *runs.QUICK, '--config.duration=1000000st')
        runs.wait_for(process, folder, 100)
        process.send_signal(signal.SIGINT)
        time.sleep(random.uniform(0, 0.05))
        process.send_signal(signal.SIGTERM)
        status, _, err = runs.finish(process)
        saved = rf'(at once: everything up to step|at step) {runs.steps(folder)[-1]}\b.* saved in'
        return bool(status in (130, 143) and re.match(f'stopped {saved}', err)) or (status, err)

    count('two signals in a row', 20, attack)


def test_signals_to_the_group_of_a_run_with_workers(count, tmp_path):
    folder = tmp_path / 'run'

    def attack(i):
        signum = random.choice([signal.SIGINT, signal.SIGTERM])
        process = runs.start(folder, *runs.QUICK, *WORKERS, '--config.duration=1000000st')
        time.sleep(random.uniform(1, 12))
        os.killpg(process.pid, signum)
        return stopped(process, folder, signum)

    count('signals to a group with workers', 20, attack)


def test_pairs_in_one_workdir(count, tmp_path):
    def attack(i):
        folder = tmp_path / str(i)
        pair = []
        for _ in range(2):
            pair.append(runs.start(folder, *runs.QUICK, '--config.duration=3000st'))
            time.sleep(random.choice([0, 0, random.uniform(0, 3)]))
        ends = [runs.finish(process) for process in pair]
        refused = [err for status, _, err in ends if status == 2]
        good = [out.splitlines()[-1] for status, out, _ in ends if status == 0]
        named = all(f'process {pair[0].pid} on' in e or f'process {pair[1].pid} on' in e
                    for e in refused)  # fmt: skip
        whole = len(runs.metrics(folder)) == 120 and not (folder / lock.NAME).exists()
        return (len(good) + len(refused) == 2 and len(set(good)) == 1 and named and whole) or ends

    count('pairs in one workdir', 17, attack)


def test_a_process_of_two_is_killed(count, tmp_path):
    from test_distributed import start_two

    def attack(i):
        folder = tmp_path / str(i)
        two = start_two(folder, '--config.duration=100000st', '--config.log.every=8st')
        runs.wait_for(two[0], folder, 8)
        time.sleep(random.uniform(0, 1))
        victim = random.randrange(2)
        two[victim].kill()
        status, _, err = runs.finish(two[1 - victim])
        runs.finish(two[victim])
        return bool(status == peers.STATUS and re.fullmatch(LOST, err)) or (status, err)

    count('a process of two is killed', 20, attack)
