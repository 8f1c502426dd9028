"""Use what a run has learnt: load it, draw images, walk through its latent space."""

import dataclasses
import functools
import math
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import ml_collections
import numpy as np

from gan_jax import config as configs
from gan_jax import data, kinds
from gan_jax.algorithms.protocol import Maker, choose_maker, maker_options
from gan_jax.core import keys, latent, rng
from gan_jax.core.state import TrainState
from gan_jax.data import Field, Spec
from gan_jax.data.pipeline import finished
from gan_jax.errors import UserError, choose
from gan_jax.training import members, memory
from gan_jax.training.checkpoint import Checkpoints
from gan_jax.training.run import open_phase, open_run
from gan_jax.training.workdir import read_config

# Images drawn at once.
CHUNK = 256

# Flags of the modes that use a run.
FLAGS = {
    'seed': keys.seed('Seed of the latent vectors.'),
    'label': keys.count(None, 'Class of the images; of random classes by default.', low=0),
    'maker': keys.text('', 'What is sampled, where the algorithm makes several things.'),
    'member': keys.count(
        None, "Which of a run's members; the best by checkpoint.best, or the first.", low=0
    ),
    'step': keys.count(None, 'Step of the checkpoint; the newest by default.', low=0),
    'options': keys.names((), 'Options of what makes the examples, as truncation=0.5.'),
}


@dataclasses.dataclass(frozen=True)
class Trained:
    """Hold a trained model: its config, data spec, algorithm, state, step, and the maker in use.

    deep: the fields whose data has 16 bits a number.
    """

    config: ml_collections.ConfigDict
    spec: Spec
    algorithm: Any
    state: TrainState
    step: int
    maker_name: str = ''
    deep: frozenset[str] = frozenset()

    @functools.cached_property
    def refined(self) -> TrainState:
        """The state that examples are made of: the run's, as its procedure refines it."""
        return self.algorithm.refine(self.state, training_batches(self.config))

    def sample(self, n: int, seed: int = 0, label: int | None = None, **options: Any) -> np.ndarray:
        """Return n examples, such as images uint8 [n, H, W, C], by the averaged networks.

        Example i depends on the seed and i alone. `label` is the class of all; without one a
        conditional model draws classes at random. `options` are the maker's.

        Raises:
          UserError: there is no such class, maker or option, or it needs examples to start from.
        """
        maker = self.maker
        if maker.given:
            needs = ', '.join(maker.given)
            raise UserError(f'{self.config.algorithm} makes examples of given ones ({needs}) alone')
        self._room(n, '--num')
        size = min(n, CHUNK)
        labels = self.labels(size, label)
        chosen = self.chosen(options)
        draw = jax.jit(maker.make, static_argnums=2, static_argnames=tuple(chosen))
        keys = (jax.random.fold_in(rng.root(seed), i) for i in range(-(-n // size)))
        chunks = [self.final(draw(self.refined, key, size, {}, labels, **chosen)) for key in keys]
        return np.concatenate(chunks)[:n]

    def interpolate(
        self,
        frames: int,
        seed: int = 0,
        label: int | None = None,
        n: int = 16,
        space: str = '',
        **options: Any,
    ) -> np.ndarray:
        """Return frames of n images [frames, n, H, W, C] between random latents, in a closed loop.

        Latents of the first space, z, are joined along great circles (White 2016,
        arXiv:1609.04468), those of others, such as w, along straight lines. `options` are the
        maker's.

        Raises:
          UserError: the algorithm has no latents, or there is no such space, class or option.
        """
        spaces = self.maker.spaces
        if not spaces:
            raise UserError(f'algorithm={self.config.algorithm!r} has no latents to interpolate')
        self._room(frames * n, '--num')
        space = space or next(iter(spaces))
        stops = max(2, math.ceil(frames / 16))
        chosen = self.chosen(options)
        labels = self.labels(n, self.one_class(label))
        alike = self.labels(stops * n, self.one_class(label))
        latents = self.latents(space, stops * n, seed, alike, chosen)
        latents = latents.reshape(stops, n, *latents.shape[1:])
        join = latent.slerp if space == next(iter(spaces)) else latent.lerp
        synthesize = jax.jit(spaces[space].synthesize, static_argnames=tuple(chosen))
        images = []
        for frame in range(frames):
            place = frame / frames * stops
            a, b = latents[int(place)], latents[(int(place) + 1) % stops]
            between = join(a, b, place - int(place))
            images.append(self.final(synthesize(self.refined, between, labels, **chosen)))
        return np.stack(images)

    def latents(
        self,
        space: str,
        n: int,
        seed: int,
        labels: np.ndarray | None,
        chosen: Mapping[str, Any],
    ) -> jax.Array:
        """Return n latents of a space, made of those of the first one.

        labels: a class for each, None for none; chosen: all options of the maker.

        Raises:
          UserError: there is no such space.
        """
        spaces = self.maker.spaces
        choose(spaces, space, 'space')
        first = next(iter(spaces.values()))
        found = first.draw(self.refined, rng.root(seed), n, **chosen)
        for above in latent.leading(spaces, space):
            assert above.down, f'a space before {space} leads nowhere'
            down = jax.jit(above.down, static_argnames=tuple(chosen))
            found = down(self.refined, found, labels, **chosen)
        return found

    def one_class(self, label: int | None) -> int | None:
        """Return the class of images that have to share one: by default the first there is."""
        return 0 if label is None and self.classes else label

    def chosen(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of the maker with those given; raise UserError for others."""
        return maker_options({'': self.maker}, options, 'options')['']

    @property
    def classes(self) -> int:
        """Return the number of classes of a conditional model, else 0."""
        return configs.classes(self.config)

    def labels(self, n: int, label: int | None) -> np.ndarray | None:
        """Return a class for each of n examples, None for none; raise UserError for no such one."""
        if label is None:
            return None
        if not 0 <= label < self.classes:
            has = f'classes 0 to {self.classes - 1}' if self.classes else 'no classes'
            raise UserError(f'label={label} is not allowed: the model has {has}')
        return np.full(n, label, np.int32)

    @property
    def maker(self) -> Maker:
        """Return the maker in use; raise UserError where it is not said which of several."""
        return choose_maker(self.algorithm, self.maker_name)

    @property
    def field(self) -> Field:
        """Return what the maker makes, as networks see it."""
        return self.spec.fields[self.maker.field]

    @property
    def kind(self) -> kinds.Kind:
        """Return the kind of what the maker makes."""
        return kinds.find(self.field.kind)

    def _room(self, n: int, key: str) -> None:
        """Refuse more examples than the host's memory holds twice, in parts and joined."""
        size = 2 * n * math.prod(self.field.shape)
        memory.hold([memory.Part(f'{n} examples', size, key)], memory.host(), memory.HOST)

    def final(self, made: jax.Array) -> np.ndarray:
        """Return what the maker has made as it is shown and written."""
        return self.kind.final(np.asarray(made), self.field)


def load(
    workdir: str | pathlib.Path,
    step: int | None = None,
    maker: str = '',
    member: int | None = None,
) -> Trained:
    """Load the model of a run's folder, of its newest sound checkpoint or of one step.

    maker: which of the things that the algorithm can make is sampled; needed where it has several;
    member: which of a run's members, by default the best by config.checkpoint.best, if that is set,
    or the first.

    Raises:
      UserError: the folder has no run, an older version's, no checkpoint, or none of that step.
    """
    workdir = pathlib.Path(workdir)
    # A run of before has the defaults of keys that came later.
    config = configs.settled(read_config(workdir))
    folder = workdir / 'checkpoints'
    if not folder.is_dir() or not any(p.name.isdigit() for p in folder.iterdir()):
        raise UserError(f'no checkpoint in {str(workdir)!r}: train first')
    with Checkpoints(folder, read_only=True) as checkpoints:
        meta = checkpoints.meta(step)
        raw = Spec.from_json(meta['spec'])
        spec = finished(raw, config.data)
        algorithm = members.build(config, meta['spec']['size'], spec)
        shapes = jax.eval_shape(algorithm.init, members.key(config))
        step, state, meta = checkpoints.restore(shapes, step)
    at, config = members.choose(config, member, meta['scalars'])
    algorithm, state = algorithm.alone()[at], algorithm.split(state)[at]
    deep = frozenset(name for name, field in raw.fields.items() if field.dtype == 'uint16')
    return Trained(config, spec, algorithm, jax.device_put(state), step, maker, deep)


def training_batches(config: Any, source: data.Source | None = None) -> Iterator[Any]:
    """Yield batches of the last phase; nothing is opened before the first is asked for."""
    run = open_run(config, source)
    yield from open_phase(run, run.algorithm.phases()[-1]).batches()
