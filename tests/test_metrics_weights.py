"""The FID network's weights: fetched, checked by digest, and folded into the network."""

import os

import pytest

from gan_jax import files
from gan_jax.errors import UserError
from gan_jax.metrics.inception import weights


def write(path, content):
    path.write_bytes(content)
    return path


class TestLocate:
    def test_the_wrong_digest_is_refused(self, tmp_path):
        path = write(tmp_path / weights.FILE, b'of another network')
        with pytest.raises(UserError, match='not the FID weights'):
            weights.load(path)
        with pytest.raises(UserError, match='not the FID weights'):
            weights.load(write(tmp_path / 'x.npz', b'no'))

    def test_what_cannot_be_fetched_says_what_to_put_where(self, tmp_path, monkeypatch):
        monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
        fetch = weights.fetch
        monkeypatch.setattr(weights, 'fetch', lambda target: fetch(target, 'file:///nowhere.pth'))
        with pytest.raises(UserError) as caught:
            weights.load()
        assert 'file:///nowhere.pth' in str(caught.value)
        assert str(tmp_path / 'gan_jax' / weights.FILE) in str(caught.value)
        assert not list((tmp_path / 'gan_jax').iterdir())

    def test_a_download_is_checked_before_it_is_put_in_place(self, tmp_path, monkeypatch):
        source = write(tmp_path / 'source.pth', b'of another network')
        target = tmp_path / 'cache' / weights.FILE
        with pytest.raises(UserError, match='not the FID weights'):
            weights.fetch(target, source.as_uri())
        assert not list(target.parent.iterdir())
        monkeypatch.setattr(weights, 'SHA256', weights.sha256(source))
        weights.fetch(target, source.as_uri())
        assert target.read_bytes() == source.read_bytes()

    def test_an_interrupted_write_leaves_nothing(self, tmp_path, monkeypatch):
        def broken(*args):
            raise KeyboardInterrupt

        monkeypatch.setattr(os, 'replace', broken)
        with (
            pytest.raises(KeyboardInterrupt),
            files.replacing(tmp_path / 'x.json') as temporary,
        ):
            temporary.write_bytes(b'half')
        assert not list(tmp_path.iterdir())


def test_the_published_state_dict_becomes_the_network(parity):
    _, arrays, _, _ = parity('fid_inception')
    network = weights.from_state_dict(arrays)
    assert set(network['params']) >= {'Conv2d_1a_3x3', 'Mixed_7c', 'fc'}
    del arrays['Mixed_7c.branch_pool.bn.weight']
    with pytest.raises(UserError, match=r'Mixed_7c\.branch_pool\.bn\.weight'):
        weights.from_state_dict(arrays)
