"""Latent work with w: mixed styles, interpolation, and precision against recall over psi."""

import dataclasses
import pathlib
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from PIL import Image
from test_stylegan2 import game

from gan_jax import config as configs
from gan_jax.data import image_spec
from gan_jax.data.pipeline import finished
from gan_jax.errors import UserError
from gan_jax.modes import truncation as mode
from gan_jax.training import factorisation, mixing, truncation
from gan_jax.training.attributes import Attributes
from gan_jax.training.exploring import Explorer
from gan_jax.training.inference import Trained

game = game  # a fixture, for this file too


@pytest.fixture(scope='module')
def trained(game):
    (algorithm, state), config = game, configs.base()
    spec = finished(image_spec((8, 8, 1)), config.data)
    return Trained(config, spec, algorithm, state, 0)


def test_a_grid_has_coarse_styles_by_row_and_fine_ones_by_column(trained):
    grid = mixing.mix(trained, 2, 3, crossover=1, seed=5)
    assert grid.shape == (3, 4, 8, 8, 1) and grid.dtype == np.uint8 and not grid[0, 0].any()
    chosen = trained.chosen({})
    ws = np.asarray(trained.latents('w', 5, 5, None, chosen))
    assert ws.shape == (5, 4, 6) and (ws == ws[:, :1]).all()
    # first column and row: one w for all layers; within, the column's from layer 1 on
    want = np.stack([ws[1], ws[3], np.concatenate([ws[1, :1], ws[3, 1:]])])
    space = trained.maker.spaces['w']
    made = trained.final(jax.jit(lambda w: space.synthesize(trained.state, w, **chosen))(want))
    for got, image in zip((grid[2, 0], grid[0, 2], grid[2, 2]), made, strict=True):
        assert abs(got.astype(int) - image).max() <= 1


def test_a_walk_in_w_is_straight_and_starts_at_the_latents(trained):
    z, w = (trained.interpolate(2, seed=5, n=2, space=space) for space in ('z', 'w'))
    assert w.shape == (2, 2, 8, 8, 1)
    assert abs(z.astype(int) - w).max() <= 1  # both stops, and nothing between them
    with pytest.raises(UserError, match="unknown space 'v'; available: z, w"):
        trained.interpolate(2, space='v')


def test_sefa_reads_the_styles_of_all_layers_in_w_and_the_mapping_in_z(trained):
    params = trained.state.nets['g'].averaged['params']
    made = [x for x in params['synthesis'].values() if isinstance(x, dict) and 'styles' in x]
    layers = [x['styles']['kernel'] for x in made]
    assert layers
    first = params['mapping']['dense_0']['kernel']
    for space, kernels in (('w', layers), ('z', [first])):
        explorer = Explorer.of(trained, space, None, {})
        samples = explorer.samples(3, 0, Attributes.of(()))
        a = factorisation.first_layers(explorer, samples)
        want = np.concatenate(kernels, axis=1) / np.sqrt(len(kernels[0]))
        np.testing.assert_allclose(a @ a.T, want @ want.T, rtol=1e-2, atol=1e-3 * (a @ a.T).max())
    explorer = Explorer.of(trained, '', None, {})
    samples = explorer.samples(3, 0, Attributes.of(()))
    moved, _ = explorer.walk(samples, np.eye(6)[2], np.ones(2))
    assert (
        explorer.space == 'w'
        and moved.shape == (6, 4, 6)
        and np.allclose(moved.mean(1)[:, 2], 1, atol=1e-5)
    )


@pytest.mark.parametrize(
    ('crossover', 'layers', 'message'),
    [
        (None, 1, 'styles cannot be mixed: the model has 1 layer'),
        (0, 4, 'crossover=0 is not allowed: it must be from 1 to 3'),
        (4, 4, 'crossover=4 is not allowed: it must be from 1 to 3'),
    ],
)
def test_layers_that_cannot_be_mixed_are_refused(crossover, layers, message):
    with pytest.raises(UserError, match=message):
        mixing.layer_of(crossover, layers)
    assert mixing.layer_of(None, 5) == 2


@dataclasses.dataclass(frozen=True)
class Traded:
    """Stand for a measurement in which psi is what recall is, and precision what is left of it."""

    options: dict

    def certificates(self, state, about):
        psi = self.options['psi']
        return [
            {'metric': 'precision-legacy', 'value': 1 - psi / 2},
            {'metric': 'recall-legacy', 'value': psi},
        ]


def test_a_curve_has_precision_and_recall_at_each_psi(trained, monkeypatch, tmp_path):
    found = SimpleNamespace(measured={'g': Traded({'psi': 1.0, 'noise': 'const'})})
    monkeypatch.setattr(truncation.inference, 'load', lambda *_, member: trained)
    monkeypatch.setattr(truncation.data, 'open_source', lambda config: None)
    monkeypatch.setattr(truncation, 'open_evaluation', lambda *_: found)
    points, certificates = truncation.curve(pathlib.Path('run'), [0.5, 1.0])
    assert points == [(0.5, 0.75, 0.5), (1.0, 0.5, 1.0)] and len(certificates) == 4
    truncation.draw(points, tmp_path / 'curve.png')
    with Image.open(tmp_path / 'curve.png') as picture:
        assert picture.size == (500, 500)
    with pytest.raises(UserError, match='--psis=much is not allowed'):
        mode.numbers('0.5,much')
