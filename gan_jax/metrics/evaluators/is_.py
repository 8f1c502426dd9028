"""Inception Score: how sure and how varied a classifier's opinions of images are.

Salimans et al., Improved Techniques for Training GANs (2016), arXiv:1606.03498, section 4.
"""

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np

from gan_jax.core import keys
from gan_jax.errors import UserError
from gan_jax.metrics.evaluators import protocol

VERSION = 1


@dataclasses.dataclass(frozen=True)
class Evaluator(protocol.Evaluator):
    """Compute the Inception Score, or the same of a classifier."""

    splits: int = keys.field(keys.count(10, 'Parts of the images to average over.', learns=False))

    def needs(self) -> int:
        """Return one image a split."""
        return self.splits

    def __call__(self, pair: protocol.Pair) -> Iterator[protocol.Value]:
        """Yield the mean over splits, with its standard error."""
        protocol.predictions(pair.fake, 'is')
        probs = softmax(pair.fake.logits)
        # images may come sorted by class, which splits of consecutive images must not see
        order = np.random.default_rng(pair.seed).permutation(len(probs))
        estimate = inception_score(probs[order], self.splits)
        yield estimate.value('is', self.splits, 'splits', VERSION, {'splits': self.splits})


def inception_score(probs: np.ndarray, splits: int = 10) -> protocol.Estimate:
    """Compute exp(mean KL(p(y|x) || p(y))) over `splits` runs of consecutive rows.

    probs: [n, classes], rows that sum to 1. Returns the mean and the standard deviation of the
    population; a standard deviation with n - 1, as some report it, is sqrt(splits / (splits - 1))
    times as large. Zeros count as 0 log 0 = 0.

    Raises:
      UserError: fewer rows than splits, or rows that are no probabilities.
    """
    if splits < 1:
        raise UserError(f'the Inception Score needs splits >= 1, not {splits}')
    probs = protocol.rows('probs', probs, splits, f'the Inception Score with {splits} splits')
    probs = probs.astype(np.float64)
    if probs.min() < 0 or np.abs(probs.sum(1) - 1).max() > 1e-3:
        raise UserError('the Inception Score takes probabilities: rows >= 0 that sum to 1')
    edges = [i * len(probs) // splits for i in range(splits + 1)]
    return protocol.Estimate.of([score(probs[a:b]) for a, b in itertools.pairwise(edges)])


def score(probs: np.ndarray) -> float:
    """Compute the score of one split."""
    # only ratios matter, so a zero may be replaced by anything positive
    ratio = np.log(np.where(probs > 0, probs, 1)) - np.log(
        np.maximum(probs.mean(0, keepdims=True), np.finfo(np.float64).tiny)
    )
    return float(np.exp((probs * ratio).sum(1).mean()))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities [n, classes] in float64."""
    logits = np.asarray(logits, np.float64)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)
