"""Perceptual path length: how much images change on a short way through the latents.

Karras et al., A Style-Based Generator Architecture for GANs (2019), arXiv:1812.04948, section 4.1.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.core import keys, latent, rng
from gan_jax.errors import UserError, unknown
from gan_jax.metrics.evaluators import protocol
from gan_jax.perceptual import lpips, weights

VERSION = 1
SAMPLING = ('full', 'end')
# The percentiles outside of which lengths are left out, as in the published code.
KEPT = (1, 99)
Embed = Callable[[jax.Array], Sequence[jax.Array]]


@dataclasses.dataclass(frozen=True)
class Evaluator(protocol.Evaluator):
    """Walk between pairs of latents, as many as there are fakes, and look with LPIPS on VGG16."""

    paths: ClassVar[bool] = True
    spaces: tuple[str, ...] = keys.field(
        keys.names((), 'Latents to walk through, such as z,w; the last there are.', learns=False)
    )
    sampling: str = keys.field(
        keys.choice('full', SAMPLING, 'Where steps are taken: all along, or at ends.', learns=False)
    )
    epsilon: float = keys.field(
        keys.number(1e-4, 'Step, as a share of the way.', above=0, high=1, learns=False)
    )

    def check(self, spaces: Mapping[str, Any]) -> None:
        """Refuse a generator without the latents, and absent weights.

        Raises:
          UserError: names the latents that there are, or what to install.
        """
        if not spaces:
            raise UserError('ppl walks through the latents of a generator, and there are none here')
        for name in self.spaces:
            if name not in spaces:
                raise unknown('ppl.spaces', name, spaces)
        weights.load()

    def __call__(self, pair: protocol.Pair) -> Iterator[protocol.Value]:
        """Yield the mean of each space, without the shortest and the longest."""
        walk = pair.walk
        assert walk  # or it would have been refused
        for name in self.spaces or [*walk.spaces][-1:]:
            kept = without_outliers(self.lengths(walk, name, pair))
            parameters = {'epsilon': self.epsilon, 'sampling': self.sampling, 'space': name}
            found = protocol.Estimate.of(kept.tolist())
            title = f'ppl-{name}-{self.sampling}'
            yield found.value(title, len(kept), 'paths', VERSION, parameters)

    def lengths(self, walk: protocol.Walk, name: str, pair: protocol.Pair) -> np.ndarray:
        """Return a length for each of the fakes, of its label where they have labels."""
        course = Course.of(walk, name, self)
        given = lpips.variables(weights.load())
        labels, size = pair.fake.labels, walk.batch_size
        found = []
        for number, start in enumerate(range(0, count := len(pair.fake.features), size)):
            # the last batch is as large as the others, so that one program serves all
            some = None if labels is None else np.resize(labels[start : start + size], size)
            key = jax.random.fold_in(rng.fold(rng.root(pair.seed), 'ppl'), number)
            found.append(np.asarray(of_batch(course, size, given, walk.state, key, some)))
        return np.concatenate(found)[:count]


class Course(NamedTuple):
    """Hold what a walk through one space depends on, beside the state; one program serves it.

    draw, downs: make the latents of the space; between: (a, b, t) -> latents on the way.
    """

    draw: Callable
    downs: tuple[Callable, ...]
    synthesize: Callable
    between: Callable
    options: tuple[tuple[str, Any], ...]
    full: bool
    epsilon: float
    span: str

    @classmethod
    def of(cls, walk: protocol.Walk, name: str, evaluator: Evaluator) -> 'Course':
        """Return the course through a space: great circles in the first one, else straight."""
        before = latent.leading(walk.spaces, name)
        return cls(
            next(iter(walk.spaces.values())).draw,
            tuple(space.down for space in before),
            walk.spaces[name].synthesize,
            latent.lerp if before else latent.slerp,
            tuple(walk.options.items()),
            evaluator.sampling == 'full',
            evaluator.epsilon,
            walk.span,
        )


@functools.partial(jax.jit, static_argnums=(0, 1))
def of_batch(
    course: Course, n: int, given: Any, state: Any, key: jax.Array, label: Any
) -> jax.Array:
    """Return the lengths [n] of steps between n pairs of latents, each pair of one label."""
    options = dict(course.options)
    ends = [course.draw(state, rng.fold(key, end), n, **options) for end in ('from', 'to')]
    for down in course.downs:
        ends = [down(state, latents, label, **options) for latents in ends]
    t = jax.random.uniform(rng.fold(key, 't'), (n,)) if course.full else jnp.zeros(n)

    def images(latents: jax.Array) -> jax.Array:
        return course.synthesize(state, latents, label, **options)

    def embed(images: jax.Array) -> list[jax.Array]:
        return lpips.embed(given, lpips.seen(images, course.span))

    # a step is as small as what less precise products of accelerators are off by
    with jax.default_matmul_precision('highest'):
        return lengths(embed, images, (ends[0], ends[1]), t, course.epsilon, course.between)


def lengths(
    embed: Embed,
    images: Callable[[jax.Array], jax.Array],
    ends: tuple[jax.Array, jax.Array],
    t: jax.Array,
    epsilon: float,
    between: Callable,
) -> jax.Array:
    """Return |f(x(t + epsilon)) - f(x(t))|^2 / epsilon^2 [n] of images x between two latents.

    embed: f, images to vectors [n, d] whose squared differences are added up; ends: [n, ...] each;
    t: [n], from 0 to 1.
    """
    t = t.reshape(len(t), *[1] * (ends[0].ndim - 1))
    latents = jnp.stack([between(*ends, place) for place in (t, t + epsilon)])
    # one after the other, by one program; and what a generator draws for an image, for both alike
    made = jax.lax.map(images, latents)
    return lpips.between(embed(made.reshape(-1, *made.shape[2:]))).sum(0) / epsilon**2


def without_outliers(values: np.ndarray) -> np.ndarray:
    """Return the values from the first percentile to the last."""
    low = np.percentile(values, KEPT[0], method='lower')
    high = np.percentile(values, KEPT[1], method='higher')
    return values[(values >= low) & (values <= high)]
