"""Directions of latents without labels: closed-form factorisation of the first layers' weights."""

from typing import Any

import flax.linen as nn
import jax
import numpy as np

from gan_jax.errors import UserError
from gan_jax.nn.dense import Dense
from gan_jax.training.directions import Direction
from gan_jax.training.exploring import Explorer, Samples

# Of the variance of a layer's outputs what may be left over where it is linear in the latents.
LEFT_OVER = 1e-4


def sefa(explorer: Explorer, samples: Samples, components: int) -> list[Direction]:
    """Return the directions that change the first layers' outputs most, the strongest first.

    SeFa (Shen, Zhou 2021, arXiv:2007.06600): eigenvectors of A^T A, where A holds the weights of
    all fully connected layers that read the latents: the stem of a DCGAN, the styles of all layers
    of a StyleGAN. There are at most as many as a latent has numbers.

    Raises:
      UserError: no layer reads them.
    """
    weights = first_layers(explorer, samples)
    _, vectors = np.linalg.eigh(weights @ weights.T)
    strongest = vectors.T[::-1][:components]
    # of both signs that which makes the largest number positive
    largest = np.take_along_axis(strongest, np.abs(strongest).argmax(1)[:, None], 1)
    signed = strongest * np.sign(largest)
    return [Direction(f'component_{i}', vector) for i, vector in enumerate(signed)]


def first_layers(explorer: Explorer, samples: Samples) -> np.ndarray:
    """Return the weights [d, units] of the layers whose outputs are linear in the latents.

    They are found by regression on random latents: as they are used, whatever is computed of the
    parameters (spectral norm, equalised learning rate), and also where latents are brought to one
    length before, as in a ProGAN.

    Raises:
      UserError: there is none.
    """
    d = samples.latents.shape[-1]
    x = np.random.default_rng(0).standard_normal((2 * (d + 1), d)).astype(np.float32)
    of_one_length = x * np.sqrt(d) / np.linalg.norm(x, axis=1, keepdims=True)
    read = [(inputs - inputs.mean(0)).astype(np.float64) for inputs in (x, of_one_length)]
    solve = [(inputs, np.linalg.pinv(inputs)) for inputs in read]
    found = []
    for outputs in dense_outputs(explorer, samples, x):
        y = outputs - outputs.mean(0, dtype=np.float64)
        fits = [(inverse @ y, inputs) for inputs, inverse in solve]
        most = LEFT_OVER * np.square(y).sum()
        found += [w for w, inputs in fits if np.square(y - inputs @ w).sum() < most][:1]
    if not found:
        raise UserError(
            f'method=sefa is not allowed: no fully connected layer of the generator reads '
            f'{explorer.space} as it is; available: svm, means'
        )
    return np.concatenate(found, axis=1)


def dense_outputs(explorer: Explorer, samples: Samples, x: np.ndarray) -> list[np.ndarray]:
    """Return what each fully connected layer makes [n, units] of vectors x [n, d]."""
    shape = samples.latents.shape[1:]
    several = x.reshape(len(x), *[1] * (len(shape) - 1), -1)
    labels = None if samples.labels is None else samples.labels[:1].repeat(len(x))
    made = explorer.trained.maker.spaces[explorer.space].synthesize

    def outputs(state: Any, latents: jax.Array) -> list[jax.Array]:
        found = []

        def watch(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
            out = call(*args, **kwargs)
            if isinstance(context.module, Dense) and context.method_name == '__call__':
                found.append(out)
            return out

        with nn.intercept_methods(watch):
            made(state, latents, labels, **explorer.options)
        return [out for out in found if out.ndim == 2 and len(out) == len(x)]

    latents = np.broadcast_to(several, (len(x), *shape))
    return [np.asarray(out) for out in jax.jit(outputs)(explorer.trained.refined, latents)]
