"""What a training procedure offers to the loop and to the modes; they know nothing else of it."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
from flax import struct

from gan_jax.core import keys
from gan_jax.core.state import Metrics, TrainState
from gan_jax.errors import UserError, choose, unknown

Batch = Mapping[str, jax.Array]

# Keys that several algorithms read.
EMA = {
    'half_life': keys.moving_duration('0img', "Half-life of the networks' average; 0img for none."),
    'ramp': keys.number(
        0.0, 'Half-life is at most this share of the images seen; 0 for no ramp.', low=0, high=1000
    ),
}
GRID = {
    'rows': keys.count(8, 'Rows of the picture of a run.', learns=False),
    'columns': keys.count(8, 'Columns of the picture of a run.', learns=False),
}


class Phase(NamedTuple):
    """Say how a stretch of a run is fed: until `images` in total, at a resolution and batch size.

    `resolution` 0 is that of the data; a smaller one is reached by average pooling.
    """

    images: int
    resolution: int
    batch_size: int
    name: str = ''


class Context(struct.PyTreeNode):
    """Hold what a step is told beside state and batch.

    key: the root key of the run; draws fold in a purpose and `state.step`. phase: static. value: of
    a member of a sweep, what its number is.
    """

    key: jax.Array
    phase: Phase = struct.field(pytree_node=False)
    value: jax.Array | None = None


@dataclasses.dataclass(frozen=True)
class Space:
    """Describe latents that can be walked: z, w, styles.

    Attributes:
      draw: (state, key, n, **options) -> latents [n, ...]; latent i does not depend on n.
      synthesize: (state, latents, label or None, **options) -> examples, by the averaged networks.
      down: (state, latents, label or None, **options) -> latents of the next space, as z to w;
        None for none. All three get all options of the maker.
      encode: (state, examples) -> latents that stand for them; None where nothing reads examples.
    """

    draw: Callable[..., jax.Array]
    synthesize: Callable[..., jax.Array]
    down: Callable[..., jax.Array] | None = None
    encode: Callable[..., jax.Array] | None = None


@dataclasses.dataclass(frozen=True)
class Maker:
    """Describe one thing that a procedure can produce.

    Attributes:
      field: the field of the data that it imitates, and is measured against.
      make: (state, key, n, given, label, **options) -> n examples in the range of the data, by the
        averaged networks; example i depends on the key and i alone. `given` holds the fields named
        below [n, ...]; of a conditional maker `label` is the class of each example [n], None for
        random ones.
      given: real fields that it reads, as translation does.
      spaces: the latents that it starts from, by name, the first one first.
      options: keyword arguments of `make`, with their defaults (psi, noise); numbers, None or text.
      padded: the size (H, W) that given images of another are padded to; raises UserError for those
        that are too small. None: they are of the data's size alone.
    """

    field: str
    make: Callable[..., jax.Array]
    given: tuple[str, ...] = ()
    spaces: Mapping[str, Space] = dataclasses.field(default_factory=dict)
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    padded: Callable[[int, int], tuple[int, int]] | None = None


class Symptom(NamedTuple):
    """Say in words, with advice, what is wrong with a run at a log step.

    from_the_start: whether it counts only where every log step has had it.
    """

    words: str
    from_the_start: bool = False


class Frozen(NamedTuple):
    """Name a network of another run: the run's folder, and the network's name there."""

    workdir: str
    net: str


class Procedure:
    """Train networks; subclasses are frozen dataclasses of modules, optimisers, losses, numbers.

    Those that train several members at once take the step of one, and return what the last five
    methods say of each.
    """

    def init(self, key: jax.Array) -> TrainState:
        """Return the state of a run that has seen nothing, with room for every phase."""
        raise NotImplementedError

    def train_step(self, state: TrainState, batch: Batch, ctx: Context) -> Any:
        """Return (state, metrics) after one step on this device's part of a batch; pure."""
        raise NotImplementedError

    def phases(self) -> Sequence[Phase]:
        """Return the stretches of a run in order; one, but for progressive procedures."""
        raise NotImplementedError

    def grid(self, state: TrainState, key: jax.Array, batch: Batch) -> jax.Array:
        """Return the picture of a run at this state, examples [rows, columns, ...].

        `key` and `batch` (the first examples of the data) are the same all through a phase.
        """
        raise NotImplementedError

    def enter(self, state: TrainState, phase: Phase) -> TrainState:
        """Return the state with which a phase begins, of the same structure; pure.

        It is called exactly once for each phase, also where a run is resumed: for an optimiser
        that starts anew, or a new stage.
        """
        del phase
        return state

    def makers(self) -> dict[str, Maker]:
        """Return what the procedure can produce, by name."""
        return {}

    def validate(self, state: TrainState, batch: Batch, key: jax.Array) -> Metrics:
        """Return means over a batch of the held-out split, by the averaged networks."""
        del state, batch, key
        return {}

    def observe(
        self, state: TrainState, batch: Batch, held_out: Batch | None, key: jax.Array
    ) -> dict[str, jax.Array]:
        """Return numbers by which training is judged at a log step; pure.

        `batch`, `held_out` (None where no split is) and `key` are the same all through a phase.
        """
        del state, batch, held_out, key
        return {}

    def symptoms(self, values: Mapping[str, float]) -> dict[str, Symptom]:
        """Return what is wrong by the numbers of a log step, each under a name."""
        del values
        return {}

    def refine(self, state: TrainState, batches: Iterator[Batch]) -> TrainState:
        """Return the state to evaluate, as with standing statistics over batches of training."""
        del batches
        return state

    def frozen(self) -> dict[str, Frozen]:
        """Return the networks of the state that other runs' replace before the first step.

        They take the averaged variables, are saved with the run, and are never updated.
        """
        return {}

    def alone(self) -> Sequence['Procedure']:
        """Return the procedure of each member, which takes its part of the state."""
        return [self]

    def swept(self) -> jax.Array | None:
        """Return the swept number of each member [members], None where nothing is swept."""
        return None

    def split(self, tree: Any) -> list[Any]:
        """Return each member's part of a state, or of what the procedure returned."""
        return [tree]

    def summary(self, values: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """Return the numbers to report of those of each member."""
        return dict(*values)

    def remarks(self, state: TrainState) -> list[str]:
        """Return what is to be said, once, of a state at a log step."""
        del state
        return []


def starts(phases: Sequence[Phase]) -> list[int]:
    """Return the images at which each phase begins; the one before ends with a whole batch."""
    images, found = 0, []
    for phase in phases:
        found.append(images)
        images += max(0, -(-(phase.images - images) // phase.batch_size)) * phase.batch_size
    return found


def choose_maker(procedure: Procedure, name: str = '') -> Maker:
    """Return the maker of a name, or the only one.

    Raises:
      UserError: there is none, none of that name, or there are several and none is named.
    """
    makers = procedure.makers()
    if not makers:
        raise UserError(f'{type(procedure).__name__.lower()} makes nothing that can be sampled')
    if not name and len(makers) > 1:
        raise UserError(f'there are several makers: name one of {", ".join(makers)}')
    return choose(makers, name or next(iter(makers)), 'maker')


def maker_options(
    makers: Mapping[str, Maker], given: Mapping[str, Any], where: str
) -> dict[str, dict[str, Any]]:
    """Return the options of each maker: its defaults, with those that are given in some place.

    Raises:
      UserError: an option that no maker has.
    """
    known = sorted({option for maker in makers.values() for option in maker.options})
    for option in given:
        if option not in known:
            raise unknown(f'option in {where}', option, known)
    return {
        name: {key: given.get(key, default) for key, default in maker.options.items()}
        for name, maker in makers.items()
    }
