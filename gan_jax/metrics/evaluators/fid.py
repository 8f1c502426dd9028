"""Frechet distance between Gaussians, and Frechet distances between sets of features.

Heusel et al., GANs Trained by a Two Time-Scale Update Rule (2017), arXiv:1706.08500, eq. 6.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from gan_jax.errors import UserError
from gan_jax.metrics.evaluators import protocol
from gan_jax.metrics.moments import Moments

VERSION = 1


@dataclasses.dataclass(frozen=True)
class Evaluator(protocol.Evaluator):
    """Compute the Frechet distance; it is FID on the features of the FID network alone."""

    def __call__(self, pair: protocol.Pair) -> Iterator[protocol.Value]:
        """Yield it."""
        value = from_features(pair.real.features, pair.fake.features)
        yield protocol.Value('fid', value, VERSION, {})


def frechet_distance(
    mu1: np.ndarray, sigma1: np.ndarray, mu2: np.ndarray, sigma2: np.ndarray
) -> float:
    """Compute |mu1 - mu2|^2 + tr(sigma1 + sigma2 - 2 (sigma1 sigma2)^(1/2)).

    mu: [d]; sigma: [d, d], symmetric, of any rank. Everything is computed in float64. With
    sigma1 = A A^T and sigma2 = B B^T the trace of the root is the sum of the singular values of
    A^T B, that is, of the roots of the eigenvalues of a symmetric matrix of the smaller rank: it
    is never complex, and directions without variance add nothing rather than rounding noise.
    Identical moments give exactly 0.

    Raises:
      UserError: shapes that do not agree, or values that are not finite.
    """
    mu1, mu2, sigma1, sigma2 = check(mu1, mu2, sigma1, sigma2)
    if protocol.same(mu1, mu2) and protocol.same(sigma1, sigma2):
        return 0.0
    root = root_trace(factor(sigma1).T @ factor(sigma2))
    difference = mu1 - mu2
    return float(max(difference @ difference + sigma1.trace() + sigma2.trace() - 2 * root, 0.0))


def from_features(real: np.ndarray, fake: np.ndarray) -> float:
    """Compute the Frechet distance of two sets of features [n, d].

    With fewer images than features it never forms a d x d covariance: the factors are the centred
    features themselves.
    """
    protocol.check_pair(real, fake, 2, 'the Frechet distance')
    if max(len(real), len(fake)) >= real.shape[1]:
        a, b = Moments.of(real), Moments.of(fake)
        return frechet_distance(a.mean, a.covariance(), b.mean, b.covariance())
    if protocol.same(real, fake):
        return 0.0
    (mu1, x), (mu2, y) = centred(real), centred(fake)
    difference = mu1 - mu2
    traces = (x * x).sum() + (y * y).sum()
    return float(max(difference @ difference + traces - 2 * root_trace(x @ y.T), 0.0))


def centred(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean [d] and rows [n, d] whose Gram matrix is the covariance."""
    features = np.asarray(features, np.float64)
    mean = features.mean(0)
    return mean, (features - mean) / np.sqrt(len(features) - 1)


def factor(sigma: np.ndarray) -> np.ndarray:
    """Return A [d, r] with A A^T = sigma, r its numerical rank, by Cholesky with pivoting."""
    scale = sigma.diagonal().max()
    if scale <= 0:
        return np.zeros((len(sigma), 0))
    tolerance = len(sigma) * np.finfo(np.float64).eps * scale
    import scipy.linalg  # takes 0.4 s, which runs without metrics are spared

    lower, pivots, rank, _ = scipy.linalg.lapack.dpstrf(sigma, lower=1, tol=tolerance)
    result = np.zeros((len(sigma), rank))
    result[pivots - 1] = np.tril(lower)[:, :rank]
    return result


def root_trace(product: np.ndarray) -> float:
    """Return the sum of the singular values of a matrix [r1, r2]."""
    if min(product.shape) == 0:
        return 0.0
    import scipy.linalg

    if min(product.shape) <= 1024:
        return float(scipy.linalg.svdvals(product, check_finite=False).sum())
    # for large ones this is four times faster, and loses digits of the smallest values alone
    wide = product if product.shape[0] <= product.shape[1] else product.T
    values = scipy.linalg.eigvalsh(wide @ wide.T, driver='evr', check_finite=False)
    return float(np.sqrt(np.maximum(values, 0)).sum())


def check(mu1, mu2, sigma1, sigma2) -> list[np.ndarray]:
    """Return the moments as float64; raise UserError where they cannot be compared."""
    arrays = [np.asarray(a, np.float64) for a in (mu1, mu2, sigma1, sigma2)]
    d = arrays[0].shape
    if len(d) != 1 or [a.shape for a in arrays[1:]] != [d, d * 2, d * 2]:
        shapes = ', '.join(str(a.shape) for a in arrays)
        raise UserError(f'moments must be [d], [d], [d, d], [d, d]; they are {shapes}')
    if not all(np.isfinite(a).all() for a in arrays):
        raise UserError('moments hold NaN or inf')
    return arrays
