"""JSON that is read: what is wrong with it is said in one line, and nothing odd gets through."""

import os

import pytest

from gan_jax import documents
from gan_jax.errors import UserError

FORM = {
    'format': int,
    'name': (str, None),
    'rate': (float, None),
    'shards': ([{'count': int}], None),
    'fields': ({str: {'shape': [int]}}, None),
}

BAD = [
    (b'', 'it is empty'),
    (b'{', 'Expecting property name'),
    (b'\xff\xfe\x00', 'codec'),
    (b'[]', 'it is a list, and should be an object'),
    (b'3', 'it is 3, and should be an object'),
    (b'null', 'it is null or absent, and should be an object'),
    (b'{}', 'format is null or absent, and should be an int'),
    (b'{"format": true}', 'format is True, and should be an int'),
    (b'{"format": 1.0}', 'format is 1.0, and should be an int'),
    (b'{"format": 1, "format": 2}', "'format' is given twice"),
    (b'{"format": 1, "rate": NaN}', 'NaN is not finite'),
    (b'{"format": 1, "rate": -Infinity}', '-Infinity is not finite'),
    (b'{"format": 1, "rate": 1e999}', '1e999 is not finite'),
    (b'{"format": 1, "rate": "x"}', "rate is 'x', and should be a number"),
    (b'{"format": 1, "rate": false}', 'rate is False, and should be a number'),
    (b'{"format": ' + b'9' * 5000 + b'}', 'has more than 40 digits'),
    (b'{"format": 1, "shards": [{"count": 1}, {"count": "many"}]}',
     "shards[1].count is 'many', and should be an int"),
    (b'{"format": 1, "shards": {}}', 'shards is an object, and should be a list'),
    (b'{"format": 1, "fields": {"x": {"shape": [8, null]}}}',
     "fields.'x'.shape[1] is null or absent, and should be an int"),
    (b'{"format": 1, "more": ' + b'[' * 70 + b']' * 70 + b'}', 'nested more than 64 deep'),
    (b'[' * 10**6, 'nested more than 64 deep'),
    (b'{"format": "' + b'long ' * 100 + b'"}', "format is 'long long"),
]  # fmt: skip


@pytest.mark.parametrize(('text', 'message'), BAD, ids=[said[:30] for _, said in BAD])
def test_what_is_wrong_is_said_in_one_short_line(tmp_path, text, message):
    path = tmp_path / 'it.json'
    path.write_bytes(text)
    with pytest.raises(UserError) as raised:
        documents.read(path, FORM)
    said = str(raised.value)
    assert said.startswith(f'{path} cannot be read: ') and message in said
    assert '\n' not in said and len(said) < len(str(path)) + 150


def test_what_is_as_the_form_says_comes_back(tmp_path):
    path = tmp_path / 'it.json'
    path.write_text('{"format": 3, "name": null, "rate": 2, "fields": {"x": {"shape": [8, 8]}}}')
    found = documents.read(path, FORM)
    assert found == {'format': 3, 'name': None, 'rate': 2, 'fields': {'x': {'shape': [8, 8]}}}


def test_only_regular_files_up_to_a_size_are_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        documents.read(tmp_path / 'none')
    with pytest.raises(UserError, match='it is a folder'):
        documents.read(tmp_path)
    os.mkfifo(tmp_path / 'pipe')
    (tmp_path / 'endless').symlink_to('/dev/zero')
    for name in ('pipe', 'endless'):
        with pytest.raises(UserError, match=f'{name} cannot be read: it is a '):
            documents.read(tmp_path / name)
    (tmp_path / 'large').write_text('[1, 2, 3]')
    with pytest.raises(UserError, match='it is larger than 8 bytes'):
        documents.read(tmp_path / 'large', most=8)


def test_lines_that_cannot_be_read_are_counted_and_left_out(tmp_path, caplog):
    path = tmp_path / 'lines'
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert documents.read_lines(path, {'step': int}) == [{'step': 1}, {'step': 2}]
    assert not caplog.text
    path.write_text('{"step": 1}\n{"step": null}\n[]\n{"step": 4}\n')
    assert documents.read_lines(path, {'step': int}) == [{'step': 1}, {'step': 4}]
    assert 'lines: 2 of 4 lines cannot be read and are left out' in caplog.text
