"""What a term of a two-player game can do; a term is a frozen dataclass of its config keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from gan_jax.core import keys, values
from gan_jax.core.game import Play, Verdict, View
from gan_jax.core.state import Metrics, TrainState
from gan_jax.core.update import zeros
from gan_jax.errors import UserError
from gan_jax.nn import norm

Slot = dict[str, Any]


@dataclass(frozen=True)
class Term:
    """Change one thing about a game; every hook does nothing unless a term overrides it.

    side: the player ('d', 'g' or 'both') whose loss, parameters and updates it concerns.
    per_example: whether it needs a discriminator that treats the examples of a batch separately.
    """

    side: ClassVar[str] = 'd'
    per_example: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Return the name in config.terms, which is the module's."""
        return type(self).__module__.rpartition('.')[2]

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

    def init(self, game: Any, key: jax.Array) -> Slot:
        """Return what the term keeps in the state at the start of a run, arrays by name."""
        del game, key
        return {}

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


@dataclass(frozen=True)
class Weighted(Term):
    """Add weight * mean(loss) to a player's loss, at every n-th of its updates n times as much.

    Lazy regularisation (Karras et al. 2020, arXiv:1912.04958), within the same update, so that
    Adam's moments need no correction.
    """

    weight: values.Value = keys.field(
        keys.value(
            1.0,
            'Weight in the loss; 0 keeps the term and its cost.',
            low=0,
            high=1_000_000,
            sweeps=True,
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
            losses, metrics = self.loss(play, view, real, fake)
            weight = values.at(self.weight, play.state) * self.every
            return weight * jnp.mean(losses), metrics

        if self.every == 1:
            return due()
        shapes = jax.eval_shape(due)
        return jax.lax.cond(play.turn % self.every == 0, due, lambda: zeros(shapes))


def of(side: str, terms: Sequence[Term]) -> list[Term]:
    """Return the terms that concern a player."""
    return [term for term in terms if term.side in (side, 'both')]


def shares(
    side: str, terms: Sequence[Term], play: Play, view: View, real: Verdict, fake: Verdict
) -> tuple[jax.Array | float, Metrics]:
    """Return the sum of the terms' shares of a player's loss, and their metrics."""
    total: jax.Array | float = 0.0
    metrics: Metrics = {}
    for term in of(side, terms):
        share, more = term.share(play, view, real, fake)
        total, metrics = total + share, metrics | more
    return total, metrics


def settle(side: str, terms: Sequence[Term], state: TrainState, metrics: Metrics) -> TrainState:
    """Return the state after a player's update: its parameters projected, the slots renewed."""
    net, aux = state.nets[side], dict(state.aux)
    params = net.params
    for term in of(side, terms):
        params = term.project(params)
        if term.name in aux:
            aux[term.name] = term.after(aux[term.name], metrics, state)
    nets = {**state.nets, side: net.replace(params=params)}
    return state.replace(nets=nets, aux=aux)
