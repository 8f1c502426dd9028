"""Arrays and tensors are read out of pickles of any protocol; everything else is refused, unrun."""

import ast
import base64
import collections
import io
import os
import pathlib
import pickle
import struct
import sys
import types
import zipfile
import zlib

import numpy as np
import pytest

import gan_jax
from gan_jax.core.pickles import torchfile
from gan_jax.core.pickles.unpickle import loads
from gan_jax.errors import UserError

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


class TestLoads:
    @pytest.mark.parametrize('protocol', range(6))
    def test_containers_numbers_and_arrays_of_every_protocol(self, protocol):
        array = np.arange(12, dtype='>i4').reshape(3, 4)
        tree = {
            'a': [1, -2, 2**40, 0.5, None, True, False, 'ü', b'\xff\0', np.float64(0.25)],
            's': [{1, 'b'}, set()],
            b'k': (1, (2, 3), (), [], {}),
            'x': array,
            'again': array,
            'columns': np.asfortranarray(np.arange(6.0).reshape(2, 3)),
            'flags': np.array([True, False]),
            'ordered': collections.OrderedDict(b=1, a=2),
        }
        found = loads(pickle.dumps(tree, protocol))
        arrays = [found.pop(key) for key in ('x', 'again', 'columns', 'flags')]
        for key, value in zip(('x', 'again', 'columns', 'flags'), arrays, strict=True):
            np.testing.assert_array_equal(value, tree.pop(key))
        assert found == tree
        assert arrays[0].dtype == np.dtype('>i4')

    def test_a_pickle_of_python_2(self):
        content = (
            b'\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03'
            b'cnumpy\nndarray\nq\x04K\x00\x85U\x01b\x87Rq\x05(K\x01K\x02K\x02\x86'
            b'cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xff'
            b'J\xff\xff\xff\xffK\x00tb\x89U\x04\x00\x01\xfe\xfftbu.'
        )
        np.testing.assert_array_equal(loads(content)['data'], [[0, 1], [254, 255]])

    @pytest.mark.parametrize('protocol', range(6))
    def test_a_planted_call_is_refused_wherever_it_is(self, tmp_path, protocol):
        class Evil:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / 'made'),)

        for tree in (Evil(), [1, {'a': (Evil(),)}], {'state': [Evil()]}, {'f': os.system}):
            with pytest.raises(ValueError, match=r'(posix|nt)\.'):
                loads(pickle.dumps(tree, protocol))
        assert not (tmp_path / 'made').exists()

    @pytest.mark.parametrize(
        ('content', 'message'),
        [
            (pickle.dumps(np.array([{}], object)), 'something else than numbers'),
            (pickle.dumps(np.array(['text'])), 'something else than numbers'),
            (pickle.dumps(types.SimpleNamespace(a=1)), 'types.SimpleNamespace'),
            (pickle.dumps(frozenset({1})), 'the opcode FROZENSET'),
            (pickle.dumps({(1, 2)}), 'whose keys are no texts or numbers'),
            (pickle.dumps(3j, 2), '__builtin__.complex'),
            (b'cos\nsystem\n.', 'os.system'),
            (b'(S"ls"\nios\nsystem\n.', 'the opcode INST'),
            (b'cnumpy\nndarray\n)\x81.', 'no function of arrays'),
            (b'ctorch_utils.persistence\n_reconstruct_persistent_obj\n.', 'torch_utils'),
            (b'cnumpy\nndarray\n)R.', 'no function of arrays'),
            (b'cnumpy\ndtype\n}b.', 'a state of something else'),
            (b'\x82\x01.', 'the opcode EXT1'),
            (b'(K\x01K\x02e.', 'damaged'),
            (b'K\x01K\x02s.', 'damaged'),
            (b']K\x01K\x02s.', 'items of something else'),
            (b'}K\x01a.', 'items of something else'),
            (b'h\x07.', 'damaged'),
            (b'K\x01', 'no end|exhausted'),
            (b'', 'exhausted|no end'),
        ],
    )
    def test_what_is_neither_array_nor_tensor_is_refused(self, content, message):
        with pytest.raises(ValueError, match=message):
            loads(content)

    @pytest.mark.parametrize('depth', [3, 10**5])
    def test_tuples_in_tuples_are_no_keys(self, depth):
        # to hash a tower of them overflows the stack, or takes for ever where each holds one twice
        for tower in (b')' + b'\x85' * depth, b')' + b'q\0h\0\x86' * min(depth, 200)):
            for content in (b'}' + tower + b'K\1s.', b'(' + tower + b'K\1d.',
                            tower + tower + b'\x93.',
                            b'ccollections\nOrderedDict\n]' + tower + b'K\1\x86a\x85R.',
                            b'cnumpy\ndtype\n' + tower + b'\x85R.',
                            b'(S"storage"\n' + tower + b'S"0"\nS"cpu"\nK\4tQ.'):  # fmt: skip
                with pytest.raises(ValueError, match=r'keys|no text|numbers|unknown type'):
                    loads(content)

    @pytest.mark.parametrize(
        'content', [b'K\1\x86.', b'(K\1\x86.', b'\x85.', b'ccollections\nOrderedDict\n]K\1a\x85R.']
    )
    def test_what_lacks_a_part_is_refused(self, content):
        with pytest.raises(ValueError, match=r'less than it should|damaged'):
            loads(content)

    def test_an_array_of_another_size_than_its_bytes_is_refused(self):
        content = pickle.dumps(np.arange(40, dtype=np.uint8), 2)
        for size in (39, 41):
            with pytest.raises(ValueError, match='reshape'):
                loads(content.replace(b'K(\x85', bytes([75, size, 0x85])))

    def test_damage_anywhere_is_an_error_of_value_or_another_value(self):
        content = pickle.dumps({'x': np.arange(40), 'names': ['a', 'b']}, 2)
        rng = np.random.default_rng(0)
        for _ in range(500):
            damaged = bytearray(content[: rng.integers(1, len(content) + 1)])
            damaged[rng.integers(len(damaged))] = rng.integers(256)
            try:
                loads(bytes(damaged))
            except ValueError as error:
                assert '\n' not in f'{error}'


class Tensor:
    """Pickle as a tensor of torch does: with a reference to a storage, offset, shape, strides."""

    def __init__(self, key, offset, shape, strides, kind='FloatStorage', count=4):
        self.key, self.place, self.kind = key, (offset, shape, strides), kind
        self.count = count

    def __reduce__(self):
        utils = sys.modules['torch._utils']
        return utils._rebuild_tensor_v2, (Storage(self), *self.place, False, None)


class Storage:
    def __init__(self, tensor):
        kind = getattr(sys.modules['torch'], tensor.kind)
        self.reference = ('storage', kind, tensor.key, 'cpu', tensor.count)


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return value.reference if isinstance(value, Storage) else None


@pytest.fixture
def pack(monkeypatch, tmp_path):
    """Return a function that writes a zip like torch.save's, of any tree and storages."""
    fake, utils = types.ModuleType('torch'), types.ModuleType('torch._utils')
    for name in ('FloatStorage', 'QInt8Storage'):
        setattr(fake, name, type(name, (), {'__module__': 'torch'}))

    def _rebuild_tensor_v2():
        raise AssertionError('never called')

    _rebuild_tensor_v2.__module__ = 'torch._utils'
    _rebuild_tensor_v2.__qualname__ = '_rebuild_tensor_v2'
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, 'torch', fake)
    monkeypatch.setitem(sys.modules, 'torch._utils', utils)

    def pack(tree, *, storage=bytes(16), compression=zipfile.ZIP_STORED, order=b'little'):
        stream = io.BytesIO()
        Pickler(stream, 2).dump(tree)
        with zipfile.ZipFile(tmp_path / 'x.pth', 'w', compression) as file:
            file.writestr('x/data.pkl', stream.getvalue())
            file.writestr('x/byteorder', order)
            file.writestr('x/data/0', storage)
        return tmp_path / 'x.pth'

    return pack


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
                return os.mkdir, (str(tmp_path / 'made'),)

        magic = pickle.dumps(torchfile.LEGACY_MAGIC, protocol)
        content = io.BytesIO()
        with zipfile.ZipFile(content, 'w') as file:
            file.writestr('archive/data.pkl', pickle.dumps({'a': Evil()}, protocol))
        planted = pickle.dumps(Evil(), protocol)
        for data in (content.getvalue(), planted, magic + planted, magic * 3 + planted):
            with pytest.raises(UserError, match='not a state dict'):
                torchfile.read(write(tmp_path / 'x.pth', data))
        assert not (tmp_path / 'made').exists()

    def test_a_tensor_of_a_storage_that_others_share(self, pack):
        storage = np.arange(4, dtype='<f4').tobytes()
        tree = {'a': Tensor('0', 1, (2,), (2,)), 'all': Tensor('0', 0, (2, 2), (1, 2))}
        arrays = torchfile.read(pack(tree, storage=storage))
        np.testing.assert_array_equal(arrays['a'], [1, 3])
        np.testing.assert_array_equal(arrays['all'], [[0, 2], [1, 3]])

    @pytest.mark.parametrize(
        ('offset', 'shape', 'strides'),
        [
            (1, (2, 2), (2, 1)),
            (4, (1,), (1,)),
            (3, (4,), (-1,)),
            (-1, (2,), (1,)),
            (0, (-1, -1), (1, 1)),
            (0, (10**12,), (0,)),
            (0, (2**40, 2**40), (0, 0)),
            (0, (2,), (1, 1)),
            (0, (2.0,), (1,)),
            ('0', (2,), (1,)),
            (0, 2, 1),
            (0, (True, 2), (1, 1)),
            (0, (2,), (2**62,)),
            (0, (1,) * 65, (1,) * 65),
            (0, (2**62,) * 10**5, (0,) * 10**5),
            (5, (), ()),
        ],
    )
    def test_a_view_beyond_its_storage_is_refused(self, pack, offset, shape, strides):
        with pytest.raises(UserError, match=r'beyond its storage|no sizes|without a storage|4 GiB'):
            torchfile.read(pack({'a': Tensor('0', offset, shape, strides)}))

    @pytest.mark.parametrize(
        ('tree', 'message'),
        [
            ([Tensor('0', 0, (2,), (1,))], 'a list at the top'),
            ({'state': {'a': Tensor('0', 0, (2,), (1,))}}, "'state' is a dict"),
            ({'a': np.zeros(2)}, "'a' is a ndarray"),
            ({'epoch': 3}, "'epoch' is a int"),
            ({3: Tensor('0', 0, (2,), (1,))}, "'3' is a View"),
            ({'a': Tensor('1', 0, (2,), (1,))}, "no item named 'x/data/1'"),
            ({'a': Tensor('0', 0, (2,), (1,), 'QInt8Storage')}, 'torch.QInt8Storage'),
        ],
    )
    def test_what_is_no_dictionary_of_tensors_is_refused(self, pack, tree, message):
        with pytest.raises(UserError, match=message):
            torchfile.read(pack(tree))

    def test_zips_that_torch_does_not_write_are_refused(self, pack):
        tree = {'a': Tensor('0', 0, (2,), (1,))}
        with pytest.raises(UserError, match='encrypted or compressed'):
            torchfile.read(pack(tree, compression=zipfile.ZIP_DEFLATED))
        with pytest.raises(UserError, match='big-endian'):
            torchfile.read(pack(tree, order=b'big'))
        path = pack(tree)
        content = bytearray(path.read_bytes())
        entry = content.rindex(
            b'PK\x01\x02', 0, content.index(b'x/data.pkl', content.index(b'PK\x01\x02'))
        )
        content[entry + 8] |= 1
        with pytest.raises(UserError, match='encrypted or compressed'):
            torchfile.read(write(path, bytes(content)))

    def test_damage_anywhere_is_refused_in_one_line_or_read(self, tmp_path):
        rng = np.random.default_rng(0)
        for i in range(600):
            content = bytearray(unpack((ZIP, LEGACY)[i % 2]))
            content[rng.integers(len(content))] = rng.integers(256)
            try:
                torchfile.read(write(tmp_path / 'x.pth', bytes(content)))
            except UserError as error:
                assert '\n' not in f'{error}'

    def test_the_stride_of_a_single_place_may_be_anything(self, pack):
        arrays = torchfile.read(pack({'a': Tensor('0', 1, (1, 2), (2**61, 1))}))
        assert arrays['a'].shape == (1, 2)

    @pytest.mark.parametrize('count', [3, 5, 0, -1, 2**70, 1.5, None, True])
    def test_a_storage_of_another_size_than_the_file_has_is_refused(self, pack, count):
        tree = {'a': Tensor('0', 0, (1,), (1,), count=count)}
        with pytest.raises(UserError, match=r'a storage of \d+ bytes that has 16|without a size'):
            torchfile.read(pack(tree))

    def test_many_tensors_of_one_storage_are_not_copied_without_end(self, pack, monkeypatch):
        monkeypatch.setattr(torchfile, 'MAX_BYTES', 2**16)
        tree = {f'{i}': Tensor('0', 0, (4000,), (1,), count=4000) for i in range(5)}
        with pytest.raises(UserError, match='tensors of more than 64 KiB'):
            torchfile.read(pack(tree, storage=bytes(16_000)))

    def test_big_numbers_first_are_refused_in_the_older_format(self, tmp_path):
        content = unpack(LEGACY)
        at = content.index(b'little_endian')
        assert content.index(b'\x88', at) - at < 20
        changed = content[:at] + content[at:].replace(b'\x88', b'\x89', 1)
        with pytest.raises(UserError, match='big-endian'):
            torchfile.read(write(tmp_path / 'x.pth', changed))

    def test_a_storage_of_an_impossible_size_is_refused(self, tmp_path):
        content = unpack(LEGACY)
        size = struct.pack('<q', 6)
        at = content.rindex(size)
        for count in (-1, 5, 2**62):
            changed = content[:at] + struct.pack('<q', count) + content[at + 8 :]
            with pytest.raises(UserError, match='not a state dict'):
                torchfile.read(write(tmp_path / 'x.pth', changed))

    @pytest.mark.parametrize('size', [0, 40, 200, 700])
    def test_a_cut_file_is_refused(self, tmp_path, size):
        for text in (ZIP, LEGACY):
            content = unpack(text)
            path = write(tmp_path / 'x.pth', content[: min(size, len(content) - 9)])
            with pytest.raises(UserError, match='not a state dict'):
                torchfile.read(path)


def test_nothing_else_in_the_package_reads_pickles():
    for path in pathlib.Path(gan_jax.__file__).parent.rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, 'module', None), *(alias.name for alias in node.names)]
            assert not {'pickle', 'marshal', 'shelve', 'dill', 'joblib'} & set(names), path
            if isinstance(node, ast.keyword) and node.arg == 'allow_pickle':
                assert ast.literal_eval(node.value) is False, path
