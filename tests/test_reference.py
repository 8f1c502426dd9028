"""docs/config.md: it is what the declarations say, and says everything."""

from conftest import ROOT

from gan_jax import config as configs
from gan_jax import reference


def test_the_reference_is_current():
    """It is written by `python -m gan_jax.reference > docs/config.md`."""
    assert (ROOT / 'docs' / 'config.md').read_text() == reference.document()


def test_every_key_of_a_config_is_in_it():
    text = reference.document()
    for name in ('gan', 'classifier', 'autoencoder'):
        for key in configs.flatten(configs.base(name)):
            last = key.rpartition('.')[2]
            assert f'`{key}`' in text or f'`{last}`' in text, key


def test_what_may_change_is_walked_key_by_key():
    old = configs.base()
    for key, value, free in (
        ('duration', '20ep', True),
        ('data.threads', 2, True),
        ('log.every', '7st', True),
        ('seed', 3, False),
        ('optim.d.lr', 0.1, False),
        ('data.range', '[0,1]', False),
    ):
        new = configs.base()
        new.update_from_flattened_dict({key: value})
        matter, free_to_change = configs.differences(old, new)
        assert len(free_to_change if free else matter) == 1
        assert not (matter if free else free_to_change)
