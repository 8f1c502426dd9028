"""Weights files: read without PyTorch, without running a pickle, and only the right ones."""

import base64
import collections
import io
import os
import pickle
import zipfile
import zlib

import numpy as np
import pytest

from gan_jax.errors import UserError
from gan_jax.metrics import safetensors, torchfile, weights

# torch.save({'a': arange(6.).reshape(2, 3).T, 'n': tensor(7)}) in the formats since and before 1.6
ZIP = (
    'c-o~@J#W)M7(Uyn<GM6W3sOplE-'
    'a2zQrr1zsc0(;c`*{9fE2M<u457lH_kbipfW{5RAQqGVnX~2*!cx4Or1cYVu2sP!kyi?wxc9%ImJ08exDD&_dc#^'
    'ObP&w10yR7mVn`zExT{6Hw<JHI?o+d$$+P^HK0w?bsWn?w%hLV54?uuS&e(PiFgR|dyo?96ecquZ6X)574#mmoi4'
    '9?)_%`+8alGtUDwn5G7lL+sHbsp7grih3#I}HuR5-Q9tD5$aK<MTAzNqgZgzSwt+5Dl4>h1M8hr$3HA-WSApfRC4'
    '9p>TZ4b`-pf=33ut;l2eBW(1L*50yM1t8?TB8tL#C-XDz_Enj^*wl_SEy-e?$+S%;cr|?uG-k{<-'
    'mN{y}~osJ1~&mx4bUylB&#}H&G&#pZ=V@BI49U$`w#Or#$PCZa8+cePFebsuUAPbD>o!5d%9f;4d0W&=U<Tf}PO7'
    '{vonla@eY}brs#=a%_Ygi+Ff__s2~ZtFRM2WWaW8D%V9-'
    'x$_?e0@lF}{@TSKd=2pRahEvCy*)i%#y6IyI9iK4l2k>wu%q-'
    'D3(@O*J9UWwH&Jf^Y=wH^L{+caf+A0pzkX;wnSTDOKt3Np|53Y^XX6QcX^`~mc0*MPmoy@lE0QE`l;vVY+N@N?vb'
    '<T6WT{x(C{>E0xKWZtS(Zwh#O3#&Cyxc}L-1Wv#BAs@n#$~m^W=LhiH-'
    '&^7ej7SU|f!qB+(G9#7K^#BqPa9@<fBM7~@%@!Ds-J@aWWLV(@n~NMt98jZR=3D=-'
    'PHl*C47Xd#AuAHk04UG!*I<IkJ|Q--dlvFzG#M48(ml1uD!bg+L;4I{_;>HES4zk|2$3>#oLzdoq_2azy|(f'
)
LEGACY = (
    'c-'
    'n1{J5R$f5XbXs1BRCJSlAfTrGloRbfN?5VxDF3f})aIO;8l~9H$aUl`>VpXJBCDtML(#7`U{&hMs(9`FwZ3znvS;'
    'B>sHqeeB)6UG6q=<LuqUI0emNHBHmTQYaCK*q?BjMj`<n3s?nj;z+5O`#c#&g9MC6Mlh-'
    'F$J|e&2cCjC1<PS2Os1ib3QE*qCZ3{1L77_2DrSge1U9v@44DC9Vjd`@q~t;lx#Yu>C{P5ndLML$>DVy<BTzyHVZ'
    '+Z<6sN?O{5Ff?p|5z73h7Up1Wd<ab^*r9!H9#kXd%5=4Ak`^Nub24Skq~FE!T59uGefG?L&F4F&Jkkt9-'
    '6t<%(+5q{a+ZsZPxqkf*Sav!-CZ50$y51gaq-!yn8kzUr5<@keQSZqq$zw-2Ef+EmBsn>f8*UrgLmu-%89;wNs3-'
    '(S+EFH>yrMj@gw`+F~I|1Cep(8YzGqrY~)0Aw70Nd'
)


def unpack(text):
    return zlib.decompress(base64.b85decode(text))


def write(path, content):
    path.write_bytes(content)
    return path


class TestTorchFile:
    @pytest.mark.parametrize('text', [ZIP, LEGACY], ids=['zip', 'legacy'])
    def test_both_formats_give_the_arrays(self, tmp_path, text):
        arrays = torchfile.read(write(tmp_path / 'x.pth', unpack(text)))
        assert list(arrays) == ['a', 'n']
        np.testing.assert_array_equal(arrays['a'], np.arange(6.0).reshape(2, 3).T)
        assert arrays['a'].dtype == np.float32
        assert arrays['n'] == 7

    def test_what_torch_writes_here(self, tmp_path):
        torch = pytest.importorskip('torch')
        state = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 1), torch.nn.BatchNorm2d(3)).state_dict()
        state['part'] = torch.arange(20.0)[3:9:2]
        torch.save(state, tmp_path / 'x.pth')
        arrays = torchfile.read(tmp_path / 'x.pth')
        assert list(arrays) == list(state)
        for name, value in state.items():
            np.testing.assert_array_equal(arrays[name], value.numpy())

    @pytest.mark.parametrize('protocol', range(6))
    def test_a_pickle_is_never_run(self, tmp_path, protocol):
        class Evil:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / 'pwned'),)

        content = io.BytesIO()
        with zipfile.ZipFile(content, 'w') as file:
            file.writestr('archive/data.pkl', pickle.dumps({'a': Evil()}, protocol))
        for data in (content.getvalue(), pickle.dumps(Evil(), protocol)):
            with pytest.raises(UserError, match='not a state dict'):
                torchfile.read(write(tmp_path / 'x.pth', data))
        assert not (tmp_path / 'pwned').exists()

    def test_a_view_beyond_its_storage_is_refused(self):
        view = torchfile.View(torchfile.Storage('<f4', '0'), 1, (2, 2), (2, 1))
        with pytest.raises(ValueError, match='beyond'):
            list(torchfile.arrays({'a': view}, {'0': bytes(16)}))

    @pytest.mark.parametrize('size', [0, 40, 200, 700])
    def test_a_cut_file_is_refused(self, tmp_path, size):
        for text in (ZIP, LEGACY):
            content = unpack(text)
            path = write(tmp_path / 'x.pth', content[: min(size, len(content) - 9)])
            with pytest.raises(UserError, match='not a state dict'):
                torchfile.read(path)


class TestSafetensors:
    def test_there_and_back_with_equal_bytes_for_equal_content(self, tmp_path):
        arrays = {'b': np.arange(6, dtype=np.float32).reshape(2, 3), 'a': np.int64(3)[None]}
        content = safetensors.encode(arrays, {'k': 'v'})
        assert content == safetensors.encode(dict(reversed(arrays.items())), {'k': 'v'})
        back, metadata = safetensors.read(write(tmp_path / 'x.safetensors', content))
        assert metadata == {'k': 'v'}
        assert {k: v.dtype for k, v in back.items()} == {'a': np.int64, 'b': np.float32}
        np.testing.assert_array_equal(back['b'], arrays['b'])

    @pytest.mark.parametrize('content', [b'', b'x' * 30, b'\2\0\0\0\0\0\0\0[]'])
    def test_anything_else_is_refused(self, tmp_path, content):
        with pytest.raises(UserError, match='safetensors'):
            safetensors.read(write(tmp_path / 'x.safetensors', content))


class TestLocate:
    def test_the_wrong_digest_is_refused(self, tmp_path):
        path = write(tmp_path / weights.FILE, unpack(ZIP))
        with pytest.raises(UserError, match='not the FID weights'):
            weights.load(path)
        with pytest.raises(UserError, match='not the FID weights'):
            weights.load(write(tmp_path / 'x.npz', b'no'))

    def test_a_safetensors_of_something_else_is_refused(self, tmp_path):
        content = safetensors.encode({'a': np.zeros(2)}, {'source_sha256': weights.SHA256})
        with pytest.raises(UserError, match='no unchanged conversion'):
            weights.load(write(tmp_path / 'x.safetensors', content))

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
        source = write(tmp_path / 'source.pth', unpack(ZIP))
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
        with pytest.raises(KeyboardInterrupt):
            weights.atomic(tmp_path / 'x.json', b'half')
        assert not list(tmp_path.iterdir())


def test_the_published_state_dict_becomes_the_network(parity, tmp_path, monkeypatch):
    """A file of the right names goes through .pth's reader, .safetensors and folding unchanged."""
    _, arrays, _, _ = parity('fid_inception')
    monkeypatch.setattr(weights, 'SHA256', 'x' * 64)
    found = weights.content_sha256(arrays)
    metadata = {'source_sha256': 'x' * 64, 'content_sha256': found}
    path = write(tmp_path / 'x.safetensors', safetensors.encode(arrays, metadata))
    network = weights.load(path)
    assert (network.depth, network.sha256) == (2048, 'x' * 64)
    broken = collections.OrderedDict(arrays)
    del broken['Mixed_7c.branch_pool.bn.weight']
    with pytest.raises(UserError, match=r'Mixed_7c\.branch_pool\.bn\.weight'):
        weights.from_state_dict(broken)
