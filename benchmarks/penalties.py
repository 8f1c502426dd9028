"""R1 and R2 by finite differences beside the exact ones: cost of a step, and error, in one table.

python benchmarks/penalties.py [--config=configs/NAME.py] [--size=32] [--batch=64] [--steps=20]
    [--draws=64] [--repeats=5]

The networks are those of the config (dcgan_cifar10) without normalisation in D, after --steps steps
on random images. 'step' is the d_step with the penalty over the d_step without, by the seconds of
all cores together, the smallest of --repeats. 'value' is the mean penalty over the exact one: its
mean and standard deviation over --draws of the noise. 'cosine' is that of the gradient of one draw
with the exact gradient, and of the mean gradient of all draws.
"""

import argparse
import dataclasses
import pathlib
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import config as configs
from gan_jax import config_file, terms
from gan_jax.algorithms.protocol import Context
from gan_jax.core import rng
from gan_jax.data import image_spec
from gan_jax.runtime import process

SIGMAS = (0.1, 0.01, 0.001)
EXACT = {'r1': ('r1',), 'r1 + r2': ('r1', 'r2')}


def game(path: str, size: int, batch: int) -> Any:
    """Return the game of a config, with a critic without normalisation and no terms."""
    config = config_file.load(pathlib.Path(path))
    config.update({'batch_size': batch, 'devices': 1})
    config.model.d.norm = 'none'
    config.terms = {}
    configs.validate(config)
    spec = image_spec((size, size, 3))
    return configs.algorithm(config).build(configs.resolve(config, 50_000), spec)


def batches(size: int, batch: int) -> dict[str, jax.Array]:
    """Return a batch of random images in [-1, 1]."""
    draw = jax.random.uniform(jax.random.key(1), (batch, size, size, 3), minval=-1.0)
    return {'image': draw}


def seconds(step: Any, *given: Any, repeats: int) -> float:
    """Return the least CPU seconds of several calls, after one to compile."""
    jax.block_until_ready(step(*given))
    found = []
    for _ in range(repeats):
        start = time.process_time()
        jax.block_until_ready(step(*given))
        found.append(time.process_time() - start)
    return min(found)


def penalty(algorithm: Any, names: tuple[str, ...], options: dict) -> Any:
    """Return the function (state, batch, key) -> (value, its flat gradient by D's parameters)."""
    node = {name: dict(options) for name in names}
    chosen = terms.build(node)

    def of_params(params, state, batch, key):
        nets = {**state.nets, 'd': state.nets['d'].replace(params=params)}
        keys = rng.example_keys(key, len(batch['image']))
        # The images are the same for every key; only the terms' noise differs.
        same = rng.example_keys(jax.random.key(0), len(batch['image']))
        play, _ = algorithm.real_and_fake('d', nets, batch, same, state)
        real, fake, _ = algorithm.passes.run(algorithm.discriminator, nets['d'], play)
        view = algorithm.view(nets, play, same)
        play = play._replace(keys=keys)
        return sum(term.share(play, view, real, fake)[0] for term in chosen)

    def run(state, batch, key):
        value, grad = jax.value_and_grad(of_params)(state.nets['d'].params, state, batch, key)
        return value, jnp.concatenate([x.ravel() for x in jax.tree.leaves(grad)])

    return jax.jit(run)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Return the cosine of two vectors."""
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def compared(algorithm: Any, state: Any, batch: Any, names: Any, sigma: float, draws: int) -> Any:
    """Return mean and deviation of the value over the exact one, and the two cosines."""
    value, gradient = map(
        np.asarray, penalty(algorithm, names, {})(state, batch, jax.random.key(2))
    )
    of_draw = penalty(algorithm, tuple(f'approximate_{n}' for n in names), {'sigma': sigma})
    keys = jax.random.split(jax.random.key(3), draws)
    found = [of_draw(state, batch, key) for key in keys]
    values = np.array([v for v, _ in found]) / value
    gradients = np.stack([g for _, g in found])
    one = np.mean([cosine(g, gradient) for g in gradients])
    return values.mean(), values.std(), one, cosine(gradients.mean(axis=0), gradient)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--config', default='configs/dcgan_cifar10.py')
    for name, default in {'size': 32, 'batch': 64, 'steps': 20, 'draws': 64, 'repeats': 5}.items():
        parser.add_argument(f'--{name}', type=int, default=default)
    args = parser.parse_args()
    process.set_up(False)
    key = rng.root(0)
    algorithm, batch = game(args.config, args.size, args.batch), batches(args.size, args.batch)
    state, train_step = algorithm.init(key), jax.jit(algorithm.train_step)
    for _ in range(args.steps):
        state, _ = train_step(state, batch, Context(key, algorithm.phase))

    def cost(names: tuple[str, ...]) -> float:
        chosen = terms.build({name: {} for name in names})
        step = jax.jit(dataclasses.replace(algorithm, terms=chosen).d_step)
        return seconds(step, state, batch, key, repeats=args.repeats)

    plain = cost(())
    print('| penalty | sigma | step | value | cosine of one draw, of the mean |')
    print('|---|---|---|---|---|')
    for title, names in EXACT.items():
        print(f'| {title} | exact | {cost(names) / plain:.2f} | 1 | 1 |')
        near = cost(tuple(f'approximate_{n}' for n in names)) / plain
        for sigma in SIGMAS:
            mean, spread, one, many = compared(algorithm, state, batch, names, sigma, args.draws)
            print(
                f'| {title} | {sigma} | {near:.2f} | {mean:.3f} +- {spread:.3f} | '
                f'{one:.2f}, {many:.3f} |'
            )


if __name__ == '__main__':
    main()
