"""Lazy terms as updates of their own (Karras et al. 2020, arXiv:1912.04958, appendix B).

A term that is due at every k-th update of a player, k > 1, is then no part of that update's loss,
but has one beside it, on fakes of its own, with k times its weight. A player thus makes k + 1
updates where it would make k: its optimiser's rates are corrected for that, `optim.corrected`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
from jax import lax

from gan_jax.core import allowed, optim, rng
from gan_jax.core.game import Player
from gan_jax.core.state import Metrics, TrainState
from gan_jax.core.update import update, zeros
from gan_jax.terms import protocol
from gan_jax.terms.protocol import Term, Weighted


def apart(player: Player, terms: Sequence[Term]) -> list[Weighted]:
    """Return the terms of a player that are lazy."""
    found = protocol.of(player, terms)
    return [term for term in found if isinstance(term, Weighted) and term.every > 1]


def optimisers(config: Any, terms: Sequence[Term], rate: float = 1.0) -> dict[str, Any]:
    """Return the optimisers of both players, their learning rates times a factor.

    config: resolved; terms: of the game, whose lazy ones it says are updates of their own or not.

    Raises:
      UserError: as `optim.make`.
    """

    def make(player: Player, node: Mapping[str, Any]) -> Any:
        lazy = apart(player, terms) if config.loss.lazy_updates else []
        ratio = 1 / (1 + sum(1 / term.every for term in lazy))
        node = optim.scaled(allowed.plain(node), rate)
        return optim.make(optim.corrected(node, ratio), f'optim.{player}.')

    return {player: make(player, node) for player, node in config.optim.items()}


def updates(
    game: Any, player: Player, state: TrainState, batch: Any, key: jax.Array
) -> tuple[TrainState, Metrics]:
    """Take the updates of a player's lazy terms that are due; collections stay as they are.

    key: of the step; each term's draws are its own. What terms keep is left as it is, too.
    """
    metrics: Metrics = {}
    for term in apart(player, game.terms) if game.lazy_updates else ():
        own = rng.fold(key, f'{player} {term.name}', state.step)
        state, more = _update(game, player, term, state, batch, own)
        metrics |= more
    return state, metrics


def _update(
    game: Any, player: Player, term: Weighted, state: TrainState, batch: Any, key: jax.Array
) -> tuple[TrainState, Metrics]:
    """Return the state and the term's metrics after its update, or as they are and empty."""

    def step(state):
        def loss_fn(nets, batch, keys):
            play, _ = game.real_and_fake(player, nets, batch, keys, state)
            real, fake, _ = game.verdicts(player, nets, play)
            loss, metrics = term.weighted(play, game.view(nets, play, keys), real, fake)
            return loss, (nets, metrics)

        state, metrics = update(state, [player], loss_fn, game.tx, batch, key, accum=game.accum)
        del metrics[f'{player}_grad_norm']  # that of the update beside it is reported
        return state, metrics

    shapes = jax.eval_shape(step, state)[1]
    due = game.turn(player, state) % term.every == 0
    return lax.cond(due, step, lambda state: (state, zeros(shapes)), state)
