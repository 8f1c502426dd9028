"""Find the latents of which a generator makes an image, or what is nearest to it.

Karras et al., Analyzing and Improving the Image Quality of StyleGAN (2020), arXiv:1912.04958,
appendix D, with LPIPS on VGG16, for any latents and any generator. In W+ (Abdal et al. 2019,
arXiv:1904.03189) each layer has a w of its own: it reaches almost any image, made or not.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax.algorithms.protocol import Space
from gan_jax.core import latent, rng
from gan_jax.core.state import TrainState
from gan_jax.errors import UserError, choose
from gan_jax.perceptual import lpips
from gan_jax.training.inference import Trained

# Draws that the mean of the latents and their distance from it are of.
DRAWS = 10_000
# Noise on the latents, in distances, until a share of the steps; shares of warming up and of decay.
NOISE, NOISY, WARM, DECAY = 0.05, 0.75, 0.05, 0.25
# Weight of the loss that keeps noise images noise, and the side at which its pyramid ends.
REGULAR, SMALLEST = 1e5, 8
# When the image is shown, in shares of the steps.
SHOWN = (0.0, 0.1, 0.3, 1.0)


class Task(NamedTuple):
    """Hold what stays the same while an image is fitted.

    given: `lpips.variables`; wanted: what LPIPS compares of the image; mean, spread: of the latents
    [1, ...], and their root mean square distance from it; key: of all draws.
    """

    given: Any
    state: TrainState
    wanted: list[jax.Array]
    mean: jax.Array
    spread: jax.Array
    key: jax.Array


class Fit(NamedTuple):
    """Hold what is fitted: how far the latents are from their mean, and noise images by path."""

    moved: jax.Array
    noise: Any


class Projection(NamedTuple):
    """Hold one result: latents, noise images, what SHOWN asks for [4, H, W, C], their LPIPS [4]."""

    latents: np.ndarray
    noise: dict[str, np.ndarray]
    images: np.ndarray
    distances: np.ndarray


# of identity, so that its programs are compiled once
@dataclasses.dataclass(frozen=True, eq=False)
class Projector:
    """Fit one space of latents of a trained model.

    apart: whether latents of several layers move each for itself; options: the maker's; label: the
    class [1] of a conditional model; steps: of Adam; rate: its largest learning rate; fit_noise:
    whether the noise images that layers keep are fitted, too.
    """

    trained: Trained
    space: str
    apart: bool
    label: np.ndarray | None
    options: Mapping[str, Any]
    steps: int
    rate: float
    fit_noise: bool

    @classmethod
    def of(
        cls, trained: Trained, space: str, label: int | None, options: Mapping[str, Any], **how: Any
    ) -> 'Projector':
        """Return the projector of a space, '' for the last one; 'w+' is w, layer by layer.

        Raises:
          UserError: there are no latents, images, class or option of that name, or none is given.
        """
        spaces = trained.maker.spaces
        if not spaces or trained.field.kind != 'image':
            raise UserError(
                f'algorithm={trained.config.algorithm!r} makes no images of latents that could be '
                'fitted'
            )
        chosen = trained.chosen(options)
        space = space or [*spaces][-1]
        several = [f'{name}+' for name in layered(trained, chosen)]
        choose(dict.fromkeys([*spaces, *several]), space, 'space of latents')
        if trained.classes and label is None:
            raise UserError(f'the model has classes 0 to {trained.classes - 1}: give --label')
        labels = trained.labels(1, label)
        return cls(trained, space.removesuffix('+'), space[-1] == '+', labels, chosen, **how)

    @property
    def title(self) -> str:
        """Return the name of the space, with a '+' where layers move each for itself."""
        return self.space + '+' * self.apart

    def __call__(self, given: Any, target: jax.Array, seed: int) -> Projection:
        """Fit one image [H, W, C] of the range of the model; given: `lpips.variables`.

        Raises:
          UserError: images below 16x16.
        """
        state, key = self.trained.refined, rng.root(seed)
        wanted = self.embed(given, target[None])
        mean, spread = self.statistics(state, rng.fold(key, 'statistics'))
        task = Task(given, state, wanted, mean, spread, key)
        fit, shown = self.start(task), []
        adam = optax.scale_by_adam().init(fit)
        at = [round(share * self.steps) for share in SHOWN]
        for step in range(self.steps + 1):
            shown += [self.show(task, fit)] * at.count(step)
            if step < self.steps:
                fit, adam = self.advance(task, fit, adam, jnp.int32(step))
        images, distances = zip(*shown, strict=True)
        return Projection(
            np.asarray(task.mean + fit.moved)[0],
            {name: np.asarray(x) for name, x in named(fit.noise)},
            self.trained.final(jnp.concatenate(images)),
            np.concatenate(distances),
        )

    @functools.partial(jax.jit, static_argnums=0)
    def statistics(self, state: TrainState, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the mean of the latents [1, ...], and their root mean square distance from it."""
        spaces = self.trained.maker.spaces
        latents = next(iter(spaces.values())).draw(state, key, DRAWS, **self.options)
        label = None if self.label is None else np.repeat(self.label, DRAWS)
        for above in latent.leading(spaces, self.space):
            assert above.down
            latents = above.down(state, latents, label, **self.options)
        mean = latents.mean(0, keepdims=True)
        return mean, jnp.sqrt(jnp.square(latents - mean).sum(-1).mean())

    def start(self, task: Task) -> Fit:
        """Return what the first step starts from: the mean, and noise images of noise.

        Latents of several layers are moved alike, unless `apart`.
        """
        mean, found = task.mean, noise_of(task.state) if self.fit_noise else {}
        keys = iter(jax.random.split(rng.fold(task.key, 'noise'), len(named(found)) + 1))
        noise = jax.tree.map(lambda x: jax.random.normal(next(keys), x.shape), found)
        alike = (1, *[1] * (mean.ndim - 2), mean.shape[-1])
        return Fit(jnp.zeros(mean.shape if self.apart else alike), noise)

    @functools.partial(jax.jit, static_argnums=0)
    def advance(self, task: Task, fit: Fit, adam: Any, step: jax.Array) -> tuple[Fit, Any]:
        """Return the fit and the state of Adam after one step."""
        share = step / self.steps
        draw = jax.random.normal(rng.fold(task.key, 'step', step), fit.moved.shape)
        draw = draw * task.spread * NOISE * jnp.square(jnp.maximum(0.0, 1 - share / NOISY))

        def loss(fit: Fit) -> jax.Array:
            made = self.images(task.state, task.mean + fit.moved + draw, fit.noise)
            regular = sum(map(regularity, jax.tree.leaves(fit.noise)), jnp.zeros(()))
            apart = lpips.parts(self.embed(task.given, made), task.wanted).sum()
            return apart + REGULAR * regular

        updates, adam = optax.scale_by_adam().update(jax.grad(loss)(fit), adam)
        rate = self.rate * warmth(share)
        fit = jax.tree.map(lambda x, update: x - rate * update, fit, updates)
        return fit._replace(noise=jax.tree.map(normal, fit.noise)), adam

    @functools.partial(jax.jit, static_argnums=0)
    def show(self, task: Task, fit: Fit) -> tuple[jax.Array, jax.Array]:
        """Return the image [1, H, W, C] of a fit, and its distance [1]."""
        made = self.images(task.state, task.mean + fit.moved, fit.noise)
        return made, lpips.parts(self.embed(task.given, made), task.wanted).sum(0)

    def images(self, state: TrainState, latents: jax.Array, noise: Any) -> jax.Array:
        """Return the images of latents, with noise images in place of the layers' own."""
        synthesize: Callable = self.trained.maker.spaces[self.space].synthesize
        return synthesize(with_noise(state, noise), latents, self.label, **self.options)

    @functools.partial(jax.jit, static_argnums=0)
    def embed(self, given: Any, images: jax.Array) -> list[jax.Array]:
        """Return what LPIPS compares of images."""
        return lpips.embed(given, lpips.seen(images, self.trained.field.span))


def layered(trained: Trained, options: Mapping[str, Any]) -> list[str]:
    """Return the spaces whose latents are several vectors [layers, n], one for each layer."""

    def draw(space: Space) -> Any:
        found = functools.partial(space.draw, n=1, **options)
        return jax.eval_shape(found, trained.state, rng.root(0))

    return [name for name, space in trained.maker.spaces.items() if draw(space).ndim == 3]


def named(tree: Any) -> list[tuple[str, jax.Array]]:
    """Return (path with slashes, leaf) of a pytree."""
    found = jax.tree_util.tree_leaves_with_path(tree)
    return [(jax.tree_util.keystr(p, simple=True, separator='/'), leaf) for p, leaf in found]


def noise_of(state: TrainState) -> dict[str, Any]:
    """Return the noise images that layers keep, by network; see `nn.noise.PixelNoise`."""
    found = {name: net.averaged.get('noise', {}) for name, net in state.nets.items()}
    return {name: images for name, images in found.items() if images}


def with_noise(state: TrainState, noise: Mapping[str, Any]) -> TrainState:
    """Return a state whose layers keep other noise images."""
    nets = {name: state.nets[name].with_averaged(noise=images) for name, images in noise.items()}
    return state.replace(nets={**state.nets, **nets})


def warmth(share: jax.Array) -> jax.Array:
    """Return the learning rate at a share of the steps: rising in proportion, falling as cosine."""
    fall = jnp.minimum(1.0, (1 - share) / DECAY)
    return (0.5 - 0.5 * jnp.cos(fall * jnp.pi)) * jnp.minimum(1.0, share / WARM)


def regularity(image: jax.Array) -> jax.Array:
    """Return how far neighbours in a noise image [H, W] are alike, at every scale down to 8."""
    found = jnp.zeros(())
    while True:
        for axis in (0, 1):
            found += jnp.square((image * jnp.roll(image, 1, axis)).mean())
        h, w = image.shape
        if min(h, w) <= SMALLEST or h % 2 or w % 2:
            return found
        # twice the mean of four, which has the variance of each
        image = 2 * image.reshape(h // 2, 2, w // 2, 2).mean((1, 3))


def normal(image: jax.Array) -> jax.Array:
    """Return a noise image of mean 0 and deviation 1."""
    image = image - image.mean()
    return image / jnp.sqrt(jnp.square(image).mean())
