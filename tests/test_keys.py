"""Declared config keys: what they allow, what they refuse, and where they come from."""

import dataclasses

import flax.linen as nn
import pytest
from ml_collections import ConfigDict

from gan_jax.core import keys, nodes
from gan_jax.errors import UserError

KEYS = {
    'on': keys.flag(False, 'On.'),
    'size': keys.count(4, 'Size.'),
    'lr': keys.value(1e-3, 'Rate.', low=0),
    'b1': keys.number(0.5, 'Decay.', low=0, below=1),
    'eps': keys.number(1e-8, 'Floor.', above=0),
    'goal': keys.number(None, 'Goal.'),
    'drop': keys.probability(0.0, 'Rate.', each=True),
    'norm': keys.choice('none', ('none', 'batch'), 'Norm.', each=True),
    'long': keys.duration('10ep', 'Length.'),
    'soft': keys.span((1.0, 1.0), 'Targets.', low=0),
    'inner': {
        'widths': keys.counts((8, 16), 'Widths.'),
        'every': keys.period('1ep', 'How often.'),
        'names': keys.names((), 'Names.'),
        'file': keys.path('', 'File.', learns=False),
    },
}


def test_defaults_are_allowed_and_nested_as_declared():
    defaults = nodes.defaults(KEYS)
    assert defaults['inner'] == {'widths': (8, 16), 'every': '1ep', 'names': (), 'file': ''}
    nodes.check(KEYS, defaults)
    nodes.check(KEYS, ConfigDict(defaults))


@pytest.mark.parametrize(
    'given',
    [
        {'size': 5},
        {'lr': 0},
        {'lr': {'first': 1e-3, 'final': 0.0, 'stop': '10kimg', 'shape': 'cosine'}},
        {'drop': (0.1, 0.2)},
        {'norm': ('batch', 'none')},
        {'goal': 1.5},
        {'long': 500},
        {'inner': {'widths': [4]}},
    ],
)
def test_what_a_key_allows(given):
    nodes.check(KEYS, ConfigDict(given, convert_dict=True))


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        (
            {'size': 0},
            'size=0 is not allowed: it must be an int, at least 1 and at most 2147483647',
        ),
        (
            {'size': True},
            'size=True is not allowed: it must be an int, at least 1 and at most 2147483647',
        ),
        (
            {'size': 2.0},
            'size=2.0 is not allowed: it must be an int, at least 1 and at most 2147483647',
        ),
        (
            {'size': None},
            'size=None is not allowed: it must be an int, at least 1 and at most 2147483647',
        ),
        ({'b1': 1}, 'b1=1 is not allowed: it must be a number, at least 0 and less than 1'),
        ({'eps': 0.0}, 'eps=0.0 is not allowed: it must be a number, more than 0'),
        ({'goal': float('nan')}, 'goal=nan is not allowed: it must be a number'),
        ({'lr': {'first': -1.0}}, "lr={'first': -1.0} is not allowed: it must be a number, or a"),
        ({'lr': {'last': 1.0}}, "lr={'last': 1.0} is not allowed: it must be a number, or a sched"),
        ({'drop': (0.1, 2)}, 'a probability, at least 0 and at most 1; or a tuple of one for each'),
        ({'norm': 'bach'}, "unknown norm 'bach' (did you mean 'batch'?); available: none, batch"),
        ({'norm': 3}, 'norm=3 is not allowed: it must be one of none, batch; or a tuple'),
        ({'long': 'ever'}, "long='ever' is not allowed: it must be a duration such as"),
        ({'soft': (1.0, 0.5)}, 'soft=(1.0, 0.5) is not allowed: it must be a range (low, high)'),
        ({'inner': {'widths': 4}}, 'inner.widths=4 is not allowed: it must be a tuple of ints'),
        ({'inner': {'evry': '1st'}}, "unknown key 'inner.evry' (did you mean 'inner.every'?); ava"),
        ({'inner': 3}, 'inner=3 is not allowed: it holds keys'),
    ],
)
def test_what_is_refused_in_one_line(given, message):
    with pytest.raises(UserError) as refusal:
        nodes.check(KEYS, given)
    assert message in str(refusal.value) and '\n' not in str(refusal.value)


def test_what_may_change_is_declared_key_by_key():
    assert nodes.may_change(KEYS, {}) == {'inner.every', 'inner.file'}


def test_a_dataclass_and_a_module_declare_their_fields():
    @dataclasses.dataclass(frozen=True)
    class Term:
        weight: float = keys.field(keys.value(1.0, 'Weight.', low=0))
        label: str = 'x'

    class Net(nn.Module):
        shape: tuple[int, ...] = ()
        widths: tuple[int, ...] = keys.field(keys.counts((4,), 'Widths.'))
        act: str | tuple[str, ...] = 'relu'
        slope: float = 0.2

    assert Term().weight == 1.0 and Net().widths == (4,)
    assert nodes.defaults(keys.of(Term)) == {'weight': 1.0, 'label': 'x'}
    found = keys.of(Net, but=('shape', 'parent', 'name'))
    assert {k: (v.kind, v.each) for k, v in found.items()} == {
        'widths': ('counts', False),
        'act': ('text', True),
        'slope': ('number', False),
    }


SHAPES = {
    'circle': {'radius': keys.number(1.0, 'Radius.'), 'label': keys.text('', 'Label.')},
    'square': {'side': keys.number(2.0, 'Side.'), 'label': keys.text('', 'Label.')},
}
NESTED = {
    'shape': nodes.Named('circle', SHAPES.keys, SHAPES.get, 'Shape.'),
    'more': nodes.AnyOf(SHAPES.keys, SHAPES.get, 'Further shapes.'),
}


def test_keys_depend_on_the_names_that_a_config_holds():
    config = ConfigDict(nodes.defaults(NESTED))
    assert config.to_dict() == {
        'shape': {'name': 'circle', 'radius': 1.0, 'label': ''}, 'more': {}
    }  # fmt: skip
    config.shape.label = 'mine'
    nodes.rename(NESTED, config, 'shape.name', 'square')
    assert config.shape.to_dict() == {'name': 'square', 'side': 2.0, 'label': 'mine'}
    with pytest.raises(UserError, match=r"unknown shape\.name 'cube'; available: circle, square"):
        nodes.rename(NESTED, config, 'shape.name', 'cube')


def test_defaults_of_a_part_named_before_go_and_set_keys_stay():
    config = {'shape': {'name': 'square', 'radius': 1.0}}
    nodes.prune(NESTED, config, nodes.left_over)
    assert nodes.fill(NESTED, config)['shape'] == {'name': 'square', 'side': 2.0, 'label': ''}
    config = {'shape': {'name': 'square', 'radius': 3.0}}
    nodes.prune(NESTED, config, nodes.left_over)
    message = (
        r"'shape\.radius' is not read with shape\.name='square', but with circle; available: s"
    )
    with pytest.raises(UserError, match=message):
        nodes.check(NESTED, config)


def test_a_part_is_added_where_any_number_may_be_named():
    config = {'shape': {}, 'more': {}}
    assert nodes.reach(NESTED, config, 'more.square.side') is SHAPES['square']['side']
    assert config['more'] == {'square': {'side': 2.0, 'label': ''}}
    assert nodes.reach(NESTED, config, 'more.cube.side') is None
    message = (
        r"unknown key 'more\.squar' \(did you mean 'more\.square'\?\); available: more\.circle"
    )
    with pytest.raises(UserError, match=message):
        nodes.check(NESTED, {'more': {'squar': {}}})


def test_a_part_that_two_parts_start_differently_starts_anew():
    def owner(default):
        return {'shape': nodes.Named(default, SHAPES.keys, SHAPES.get, 'Shape.')}

    owners = {'a': owner('circle'), 'b': owner('square'), 'c': owner('square')}
    keys_of = nodes.Named('a', owners.keys, owners.get, 'Owner.')
    config = nodes.fill(keys_of, {'shape': {'name': 'circle', 'radius': 3.0}})
    nodes.rename(keys_of, config, 'name', 'b')
    assert config == {'name': 'b', 'shape': {'name': 'square', 'side': 2.0, 'label': ''}}
    config['shape']['side'] = 5.0
    nodes.rename(keys_of, config, 'name', 'c')
    assert config['shape']['side'] == 5.0
