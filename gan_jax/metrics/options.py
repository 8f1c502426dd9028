"""The options of an evaluation, declared once.

They are config.eval in the loop, and flags of the same names, defaults and checks of `--mode=eval`
and of `python -m gan_jax.metrics`.
"""

import ast
from collections.abc import Mapping
from typing import Any

from gan_jax.core import keys, nodes
from gan_jax.core.assignments import split
from gan_jax.metrics import evaluators, features
from gan_jax.metrics.inception.resize import RESIZERS

KEYS: dict[str, keys.Key] = {
    'metrics': keys.names((), 'What to measure, as fid,kid,prdc.', learns=False),
    'features': keys.choice(
        'inception', features.names, 'Network that metrics take features from.', learns=False
    ),
    'resize': keys.choice(
        'legacy', tuple(RESIZERS), 'How images reach the size of Inception.', learns=False
    ),
    'weights': keys.path('', "The network's file, or a classifier's run.", learns=False),
    'num': keys.count(
        0,
        'Fake images; 0: all of a set, 10,000 of a generator.',
        low=0,
        high=10_000_000,
        learns=False,
    ),
    'num_real': keys.count(0, 'Real images; 0: all.', low=0, learns=False),
    'seed': keys.seed('Seed of what is drawn.', learns=False),
    'repeats': keys.count(
        1, 'Draws of fakes, for a standard error over them.', high=1000, learns=False
    ),
    'batch_size': keys.count(32, 'Images that the network sees at once.', high=4096, learns=False),
}
# what a run has beside
OF_A_RUN: dict[str, keys.Key] = {
    'split': keys.text('', "Split of the real images; '': that of training.", learns=False),
    'options': keys.names((), 'Options of what makes the fakes, as psi=0.7.', learns=False),
}


def declared() -> dict[str, Any]:
    """Return the keys of any evaluation: the common ones, and those of each metric."""
    return {**KEYS, **evaluators.declared()}


def of_a_run() -> dict[str, Any]:
    """Return the keys of the evaluation of a run."""
    return {**OF_A_RUN, **declared()}


def parse(given: Mapping[str, Any], known: nodes.Keys, prefix: str = '--') -> dict[str, Any]:
    """Return the nested options of flags, by dotted names, whose values may be text.

    Raises:
      UserError: names the flag, its value and what is allowed.
    """
    flat = dict(nodes.flat(known))
    nested: dict[str, Any] = {}
    for name, text in given.items():
        *parents, leaf = name.split('.')
        node = nested
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = _typed(flat[name], text)
    nodes.check(known, nested, prefix)
    return nested


def _typed(key: keys.Key, text: Any) -> Any:
    """Return text as the type that a key has; what cannot be it stays text, and is refused."""
    if not isinstance(text, str):
        return text
    if key.kind == 'names':
        return split(text)
    if key.kind not in ('count', 'number', 'flag'):
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
