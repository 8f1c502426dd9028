"""What a term of a two-player game can do; a term is a frozen dataclass of its config keys."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from gan_jax.core import keys, values
from gan_jax.core.game import Label, Play, Player, Verdict, View
from gan_jax.core.state import Metrics, TrainState
from gan_jax.core.update import zeros
from gan_jax.errors import UserError
from gan_jax.nn import norm

# What gives a discriminator the parts of its verdict that terms read.
HEADS = {
    'features': 'return a Verdict that has them',
    'classes': 'set model.d.auxiliary to the number of classes',
    'code': 'set model.d.code to the length of the code',
}
Slot = dict[str, Any]
# (images, label or None) -> verdict, by the averaged discriminator in evaluation mode
Discriminate = Callable[[jax.Array, Label], Verdict]


@dataclass(frozen=True)
class Term:
    """Change one thing about a game; every hook does nothing unless a term overrides it.

    side: the player ('d', 'g' or 'both') whose loss, parameters and updates it concerns; of a term
    of both, `play.player` says whose update it is.
    per_example: whether it needs a discriminator that treats the examples of a batch separately.
    over_batch: whether it takes statistics of the whole batch, which pieces of one would change.
    reads: what it needs of a verdict beside the logits. latent: whether it needs the latents that
    images are made of.
    """

    side = 'd'  # not annotated, so that it can be a key of a term
    per_example: ClassVar[bool] = False
    over_batch: ClassVar[bool] = False
    reads: ClassVar[tuple[str, ...]] = ()
    latent: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Return the name in config.terms, which is the module's."""
        return type(self).__module__.rpartition('.')[2]

    @property
    def group(self) -> int:
        """Return how many consecutive examples of a batch it makes one of."""
        return 1

    def slot(self, state: TrainState) -> Slot:
        """Return what the term keeps in the state."""
        return state.aux.get(self.name, {})

    def check(self, game: Any) -> None:
        """Refuse a game that the term does not go with.

        Raises:
          UserError: names what does not go together, and what is allowed.
        """
        for found in game.discriminator.mixes_examples() if self.per_example else ():
            allowed = ', '.join(n for n, cls in norm.NORMS.items() if not cls.over_batch)
            raise UserError(
                f"model.d.norm='{found}' is not allowed with terms.{self.name}: an "
                f"example's gradient would be mixed with those of its batch; available: {allowed}"
            )
        if self.over_batch and game.accum > 1:
            raise UserError(
                f'accumulate={game.accum} is not allowed with terms.{self.name}, which takes '
                'statistics of the whole batch; available: 1'
            )
        self._check_verdict(game)

    def _check_verdict(self, game: Any) -> None:
        """Refuse a discriminator that does not return what the term reads."""
        verdict = game.verdict_shapes if self.reads else None
        for part in self.reads:
            if getattr(verdict, part) is None:
                raise UserError(
                    f'terms.{self.name} reads {part} that model.d does not return; {HEADS[part]}'
                )
        packing = [term.name for term in game.terms if term.group > 1]
        if packing and {'classes', 'code'} & set(self.reads):
            raise UserError(
                f'terms.{self.name} is not allowed with terms.{packing[0]}: it needs a verdict on '
                'each image'
            )

    def init(self, game: Any, key: jax.Array) -> Slot:
        """Return what the term keeps in the state at the start of a run, arrays by name."""
        del game, key
        return {}

    def latents(self, z: jax.Array, keys: jax.Array) -> jax.Array:
        """Change latents [B, d] of keys [B] as they are drawn, in training and in sampling."""
        del keys
        return z

    def lay_out(self, z: jax.Array) -> jax.Array:
        """Change the latents [rows, columns, d] of a run's picture, so that it shows the term's."""
        return z

    def see(self, play: Play) -> Play:
        """Change the examples that the discriminator sees, in both players' updates."""
        return play

    def share(
        self, play: Play, view: View, real: Verdict, fake: Verdict
    ) -> tuple[jax.Array | float, Metrics]:
        """Return the term's share of the mean loss, a scalar, and its metrics."""
        del play, view, real, fake
        return 0.0, {}

    def project(self, params: Any) -> Any:
        """Return the parameters of a player after its update, moved to where they may be."""
        return params

    def after(self, slot: Slot, metrics: Metrics, state: TrainState) -> Slot:
        """Return the slot after an update, from that update's metrics.

        They are means over all devices, which is what keeps the slot equal on all of them.
        """
        del metrics, state
        return slot

    def validate(
        self, real: jax.Array, batch: Mapping[str, jax.Array], discriminate: Discriminate
    ) -> Metrics:
        """Return means over a batch of the held-out split; `real` are its examples of the game."""
        del real, batch, discriminate
        return {}


@dataclass(frozen=True)
class Weighted(Term):
    """Add weight * mean(loss) to a player's loss, at every n-th of its updates n times as much.

    Lazy regularisation (Karras et al. 2020, arXiv:1912.04958), within the same update, so that
    Adam's moments need no correction; `algorithms.lazy` makes updates of their own of it.
    """

    weight: values.Value = keys.field(
        keys.value(
            1.0,
            'Weight in the loss; 0 keeps the term and its cost.',
            low=0,
            high=1_000_000,
        )
    )
    every: int = keys.field(keys.count(1, "Of the player's updates, one in so many has the term."))

    def loss(
        self, play: Play, view: View, real: Verdict, fake: Verdict
    ) -> tuple[jax.Array, Metrics]:
        """Return the unweighted loss of any shape, one value per example or one, and metrics."""
        raise NotImplementedError

    def share(
        self, play: Play, view: View, real: Verdict, fake: Verdict
    ) -> tuple[jax.Array | float, Metrics]:
        """Return the weighted mean of `loss`; zero, and empty means, where it is not due."""

        def due():
            return self.weighted(play, view, real, fake)

        if self.every == 1:
            return due()
        shapes = jax.eval_shape(due)
        return jax.lax.cond(play.turn % self.every == 0, due, lambda: zeros(shapes))

    def weighted(
        self, play: Play, view: View, real: Verdict, fake: Verdict
    ) -> tuple[jax.Array, Metrics]:
        """Return the mean of `loss` times weight and `every`, as where it is due."""
        losses, metrics = self.loss(play, view, real, fake)
        weight = values.at(self.weight, play.state) * self.every
        return weight * jnp.mean(losses), metrics


def of(player: Player, terms: Sequence[Term]) -> list[Term]:
    """Return the terms that concern a player."""
    return [term for term in terms if term.side in (player, 'both')]


def shares(
    terms: Sequence[Term], play: Play, view: View, real: Verdict, fake: Verdict
) -> tuple[jax.Array | float, Metrics]:
    """Return the sum of the terms' shares of the loss of a player's update, and their metrics."""
    total: jax.Array | float = 0.0
    metrics: Metrics = {}
    for term in of(play.player, terms):
        share, more = term.share(play, view, real, fake)
        total, metrics = total + share, metrics | more
    return total, metrics


def settle(
    player: Player, terms: Sequence[Term], state: TrainState, metrics: Metrics
) -> TrainState:
    """Return the state after a player's update: its parameters projected, the slots renewed."""
    net, aux = state.nets[player], dict(state.aux)
    params = net.params
    for term in of(player, terms):
        params = term.project(params)
        if term.name in aux:
            aux[term.name] = term.after(aux[term.name], metrics, state)
    nets = {**state.nets, player: net.replace(params=params)}
    return state.replace(nets=nets, aux=aux)


def check_groups(piece: int, groups: Mapping[str, int]) -> None:
    """Refuse groups of consecutive examples that would straddle devices or accumulated pieces.

    piece: the examples of a batch that one device sees at once; groups: sizes by their keys, of
    which each groups what the one before has made.

    Raises:
      UserError: names the sizes that do not divide the piece.
    """
    if piece % math.prod(groups.values()):
        sizes = ' x '.join(f'{name}={size}' for name, size in groups.items() if size > 1)
        raise UserError(
            f'batch_size over devices and accumulate gives pieces of {piece} examples, which do '
            f'not divide by {sizes}'
        )
