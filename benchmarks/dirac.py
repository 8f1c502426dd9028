"""Dirac-GAN: what theory says of convergence beside what the steps of gan_jax do, in one picture.

python benchmarks/dirac.py [--out=docs/results/dirac.png] [--json]

Mescheder et al. 2018 (arXiv:1801.04406, sections 2 and 3): real examples are the point 0, the
generator's are a point theta, and D(x) = psi x. The equilibrium is (0, 0). Losses, terms and steps
are those of gan_jax; the networks have one parameter each. It prints a table of rates (`Case`) and
draws vector fields with the paths of simultaneous (red) and alternating (blue) descent.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gan_jax import terms
from gan_jax.algorithms.protocol import Context, Phase
from gan_jax.algorithms.two_player import GAN
from gan_jax.core import latent, losses, optim, rng
from gan_jax.core.game import Play, Verdict, View
from gan_jax.core.losses import Adversarial
from gan_jax.core.state import Metrics, TrainState
from gan_jax.core.update import advance
from gan_jax.files import replacing
from gan_jax.nn.network import Base
from gan_jax.runtime import process
from gan_jax.terms.protocol import Term

LR, BATCH, STEPS = 0.1, 128, 400
# three near the equilibrium whose differences are followed, and one far away that is drawn
STARTS = jnp.float32([[0, 0], [1e-2, 0], [0, 1e-2], [1, 1]])
# -log s(-t) has the slope 1/2 and the curvature 1/4 at 0; the Wasserstein loss is linear
SLOPE = {'nonsaturating': 0.5, 'minimax': 0.5, 'relativistic': 0.5, 'wasserstein': 1.0}
CURVATURE = 0.25


class Generator(Base):
    """Return the point theta for every latent [B, z_dim], as [B, 1]."""

    @nn.compact
    def __call__(
        self,
        z: jax.Array,
        label: jax.Array | None = None,
        *,
        train: bool,
        keys: jax.Array | None = None,
    ) -> jax.Array:
        theta = self.param('theta', nn.initializers.ones, self.shape)
        return jnp.broadcast_to(theta, (len(z), *self.shape))


class Discriminator(Base):
    """Return the logits psi x [B] of points [B, 1]."""

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        label: jax.Array | None = None,
        *,
        train: bool,
        keys: jax.Array | None = None,
    ) -> jax.Array:
        return x @ self.param('psi', nn.initializers.ones, self.shape)


@dataclass(frozen=True)
class Consensus(Term):
    """Add weight |v|^2 / 2 to both losses, v the gradients of both players by their parameters.

    Consensus optimisation (Mescheder et al. 2017, arXiv:1705.10461).
    """

    loss: Adversarial
    weight: float
    side = 'both'

    def share(
        self, play: Play, view: View, real: Verdict, fake: Verdict
    ) -> tuple[jax.Array, Metrics]:
        """Return the term's share of the loss."""

        def logits(player, params):
            nets = {**view.nets, player: view.nets[player].replace(params=params)}
            now = view._replace(nets=nets)
            made = now.g(play.z, play.fake_label)
            return now.d(play.real, None).logits, now.d(made, None, draws='fake').logits

        def gradient(player, loss):
            mean = lambda params: loss(*logits(player, params)).mean()  # noqa: E731
            return jax.grad(mean)(view.nets[player].params)

        both = gradient('d', self.loss.d), gradient('g', self.loss.g)
        return 0.5 * self.weight * sum(jnp.sum(x**2) for x in jax.tree.leaves(both)), {}


@dataclass(frozen=True)
class Case:
    """Hold a game and its theory: how fast each player alone forgets its parameter near (0, 0).

    d, g: the damping, so that the Jacobian of the vector field is [[-g, c], [-c, -d]] in (theta,
    psi), where c is the slope of the loss at 0.
    """

    loss: str = 'nonsaturating'
    terms: Mapping[str, Any] = field(default_factory=dict)
    consensus: float = 0.0
    d: float = 0.0
    g: float = 0.0

    @property
    def eigenvalue(self) -> complex:
        """Return the eigenvalue of the Jacobian with the largest real part."""
        root = np.emath.sqrt((self.d - self.g) ** 2 / 4 - SLOPE[self.loss] ** 2)
        return complex(-(self.d + self.g) / 2 + root)

    def rate(self, alternating: bool, lr: float = LR) -> float:
        """Return by how much a step shrinks small parameters in the long run; below 1 converges.

        The spectral radius of I + lr J, and of the product of both players' own steps.
        """
        c, stay_d, stay_g = lr * SLOPE[self.loss], 1 - lr * self.d, 1 - lr * self.g
        # psi' = stay_d psi - c theta, then theta' = stay_g theta + c (psi' or psi)
        trace = stay_d + stay_g - alternating * c**2
        det = stay_d * stay_g + (not alternating) * c**2
        return float(np.abs(trace / 2 + np.emath.sqrt(trace**2 / 4 - det)))

    def game(self, lr: float = LR, n_critic: int = 1) -> GAN:
        """Return the game, in which both players descend by plain gradients."""
        loss = losses.make(self.loss)
        own = (Consensus(loss, self.consensus),) if self.consensus else ()
        sgd = optim.make({'name': 'sgd', 'lr': lr, 'momentum': 0.0})
        return GAN(
            generator=Generator(shape=(1,)),
            discriminator=Discriminator(shape=(1,)),
            tx={'g': sgd, 'd': sgd},
            loss=loss,
            terms=(*terms.build(terms.node(**self.terms)), *own),
            prior=lambda key: latent.normal(key, 1),
            shape=(1,),
            phase=Phase(0, 0, BATCH),
            n_critic=n_critic,
            field='point',
        )


GAMMA, SIGMA = 0.4, 0.8
CASES = {
    'nothing': Case('minimax'),
    'nothing, non-saturating': Case(),
    'nothing, WGAN': Case('wasserstein'),
    'R1': Case(terms={'r1': {'weight': GAMMA}}, d=GAMMA),
    'R2': Case(terms={'r2': {'weight': GAMMA}}, d=GAMMA),
    'R1, WGAN': Case('wasserstein', {'r1': {'weight': GAMMA}}, d=GAMMA),
    'R1 + R2, relativistic': Case(
        'relativistic', {'r1': {'weight': GAMMA}, 'r2': {'weight': GAMMA}}, d=2 * GAMMA
    ),
    '0-GP': Case(terms={'zero_centred': {'weight': GAMMA}}, d=2 * GAMMA),
    'R1 beyond critical': Case(terms={'r1': {'weight': 1.25}}, d=1.25),
    # of real and of generated examples
    'instance noise': Case(terms={'instance_noise': {'sigma': SIGMA}}, d=2 * CURVATURE * SIGMA**2),
    'consensus': Case(consensus=1.0, d=SLOPE['minimax'] ** 2, g=SLOPE['minimax'] ** 2),
}
# (|dD/dx| - 1)^2 has a kink at psi = 0, where there is no Jacobian
ALL = {**CASES, 'WGAN-GP': Case('wasserstein', {'gradient_penalty': {'weight': 0.5}})}
PORTRAITS = {
    'minimax': 'nothing',
    'non-saturating': 'nothing, non-saturating',
    'WGAN-GP': 'WGAN-GP',
    'R1': 'R1',
    'instance noise': 'instance noise',
    'consensus': 'consensus',
}

# (theta, psi) [2], number of the step -> (theta, psi) after it
Step = Callable[[jax.Array, jax.Array], jax.Array]


def simultaneous(game: GAN, state: TrainState, batch: Any, key: jax.Array) -> TrainState:
    """Return the state after a step in which neither player sees the other's."""
    d, g = game.d_step(state, batch, key)[0], game.g_step(state, batch, key)[0]
    return advance(state.replace(nets={'d': d.nets['d'], 'g': g.nets['g']}), batch)


def alternating(game: GAN, state: TrainState, batch: Any, key: jax.Array) -> TrainState:
    """Return the state after the step of gan_jax: the generator sees the new discriminator."""
    return game.train_step(state, batch, Context(key, game.phase))[0]


WAYS = (simultaneous, alternating)


def stepper(game: GAN, way: Callable[..., TrainState]) -> Step:
    """Return a step of a game as a function of its two parameters."""
    key, batch = rng.root(0), {'point': jnp.zeros((game.phase.batch_size, 1))}
    begin = game.init(key)

    def step(w, t):
        params = {'g': {'theta': w[:1]}, 'd': {'psi': w[1:]}}
        nets = {name: net.replace(params=params[name]) for name, net in begin.nets.items()}
        nets = way(game, begin.replace(nets=nets, step=t), batch, key).nets
        return jnp.concatenate([nets['g'].params['theta'], nets['d'].params['psi']])

    return step


def paths(game: GAN, steps: int = STEPS, starts: jax.Array = STARTS) -> np.ndarray:
    """Return the parameters [2, n, steps + 1, 2] of both WAYS from several starts [n, 2] on.

    All runs of a way have the same draws.
    """

    def of(way):
        step = stepper(game, way)

        def body(w, t):
            return step(w, t), w

        def run(start):
            last, before = jax.lax.scan(body, start, jnp.arange(steps))
            return jnp.concatenate([before, last[None]])

        return jax.vmap(run)(starts)

    return np.asarray(jax.jit(lambda: jnp.stack([of(way) for way in WAYS]))(), np.float64)


class Measured(NamedTuple):
    """Hold what was seen of one way: an eigenvalue of the Jacobian, and the shrinking by a step."""

    eigenvalue: complex
    rate: float


def measured(path: np.ndarray, lr: float = LR, most: int = 100) -> Measured:
    """Return what the runs [3, steps + 1, 2] from the first three of STARTS tell.

    Their differences follow the linearised steps, W(t + 1) = M W(t). J is (M - 1) / lr, for which
    M is averaged over at most `most` steps, since terms may draw.
    """
    w = (path[1:3] - path[:1]).transpose(1, 2, 0)
    m = w[1 : most + 1] @ np.linalg.inv(w[: len(w[1 : most + 1])])
    values = np.linalg.eigvals((m.mean(axis=0) - np.eye(2)) / lr)
    found = max(values, key=lambda value: (round(value.real, 6), value.imag))
    growth = np.abs(np.linalg.eigvals(w[-1] @ np.linalg.inv(w[0]))).max()
    return Measured(complex(found), float(growth ** (1 / (len(w) - 1))))


class Row(NamedTuple):
    """Hold theory and measurement: of the eigenvalue, and of the rates of both kinds of steps."""

    eigenvalue: tuple[complex, complex]
    simultaneous: tuple[float, float]
    alternating: tuple[float, float]


def row(case: Case, both: np.ndarray) -> Row:
    """Return a row of the table from the paths of a case."""
    found = [measured(path) for path in both]
    rates = [(case.rate(bool(i)), one.rate) for i, one in enumerate(found)]
    return Row((case.eigenvalue, found[0].eigenvalue), *rates)


def written(value: complex) -> str:
    """Return an eigenvalue as text, for both signs of its imaginary part."""
    real = f'{value.real + 0:.3f}'.replace('-0.000', '0.000')
    return f'{real} +- {abs(value.imag):.3f}i' if value.imag else real


def table(rows: Mapping[str, Row]) -> str:
    """Return the table in Markdown."""
    ways = [f'{way.__name__}: theory | measured' for way in WAYS]
    head = ['added to the losses', 'eigenvalues: theory | measured', *ways]
    lines = [f'| {" | ".join(head)} |', '|---' * 7 + '|']
    for name, found in rows.items():
        values = [written(value) for value in found.eigenvalue]
        rates = [f'{x:.4f}' for x in (*found.simultaneous, *found.alternating)]
        lines.append(f'| {" | ".join([name, *values, *rates])} |')
    return '\n'.join(lines)


def portrait(axis: Axes, case: Case, both: np.ndarray, title: str, span: float = 1.7) -> None:
    """Draw the vector field of a case, and the path of each kind of step from the last start."""
    line = jnp.linspace(-span, span, 15)
    where = jnp.stack(jnp.meshgrid(line, line), axis=-1).reshape(-1, 2)
    step = stepper(case.game(), simultaneous)
    to = jax.jit(jax.vmap(lambda w: step(w, jnp.int32(0)) - w))(where)
    axis.quiver(*where.T, *to.T, color='0.7', angles='xy', width=0.004)
    for path, color in zip(both[:, -1], ('tab:red', 'tab:blue'), strict=True):
        axis.plot(*path.T, color=color, linewidth=1)
    axis.plot(*STARTS[-1], 'ko', markersize=3)
    axis.plot(0, 0, 'k+')
    axis.set(xlim=(-span, span), ylim=(-span, span), aspect='equal', title=title)
    axis.set(xlabel='theta of the generator', ylabel='psi of the discriminator')


def draw(both: Mapping[str, np.ndarray], out: str) -> None:
    """Write the picture of all portraits."""
    figure = Figure(figsize=(10.5, 7.2), layout='constrained')
    for axis, (title, name) in zip(figure.subplots(2, 3).ravel(), PORTRAITS.items(), strict=True):
        portrait(axis, ALL[name], both[name], title)
    with replacing(out) as temporary:
        figure.savefig(temporary, dpi=80, format='png')


def main() -> None:
    """Print the table, and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', default='docs/results/dirac.png', help='picture that is written')
    parser.add_argument('--json', action='store_true', help='print numbers instead of a table')
    args = parser.parse_args()
    process.set_up()
    both = {name: paths(case.game()) for name, case in ALL.items()}
    rows = {name: row(case, both[name]) for name, case in CASES.items()}
    if args.json:
        print(json.dumps(rows, default=lambda value: [value.real, value.imag]))
    else:
        print(table(rows))
    draw(both, args.out)


if __name__ == '__main__':
    main()
