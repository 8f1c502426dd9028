"""Writers and pictures: what lands in files, after a kill too, and what a person sees."""

import io
import json
import math
import os
import struct
import zlib

import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from gan_jax import files, pictures
from gan_jax.errors import UserError
from gan_jax.kinds.image import to_uint8
from gan_jax.training import curves, writers
from gan_jax.training.progress_bar import ProgressBar, duration

RNG = np.random.default_rng(0)


def picture(*shape, dtype=np.uint8):
    return RNG.integers(0, np.iinfo(dtype).max, shape, dtype)


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


# JSON lines


def test_values_are_plain_json(tmp_path):
    lines = writers.JsonLines(tmp_path / 'run' / 'metrics.jsonl')
    scalars = {
        'd_loss': jnp.float32(0.1), 'images': np.int64(5), 'nan': float('nan'),
        'half': jnp.bfloat16(0.5), 'inf': jnp.float32(jnp.inf), 'ok': np.bool_(True), 'name': 'x',
        'many': jnp.arange(2),
    }  # fmt: skip
    lines.write_scalars(3, scalars)
    text = (tmp_path / 'run' / 'metrics.jsonl').read_text()
    assert text.endswith('}\n')
    expected = {'step': 3, 'd_loss': 0.1, 'images': 5, 'nan': None, 'half': 0.5, 'inf': None}
    assert json.loads(text) == {**expected, 'ok': True, 'name': 'x', 'many': [0, 1]}
    assert '"d_loss": 0.1,' in text
    lines.close()


def test_every_line_is_flushed_and_a_second_run_appends(tmp_path):
    path = tmp_path / 'metrics.jsonl'
    first = writers.JsonLines(path)
    first.write_scalars(1, {'a': 1.0})
    assert lines_of(path) == [{'step': 1, 'a': 1.0}]  # before close
    first.close()
    second = writers.JsonLines(path)
    second.write_scalars(2, {'a': 2.0})
    second.close()
    assert [line['step'] for line in lines_of(path)] == [1, 2]


@pytest.mark.parametrize(
    'tail', ['{"step": 3, "a"', '{"step": 3}\n{', '\x00\x00', '{"step": 3, "a": 1}']
)
def test_half_a_line_is_removed_before_the_next(tmp_path, tail):
    path = tmp_path / 'metrics.jsonl'
    path.write_text('{"step": 1}\n{"step": 2}\n' + tail)
    assert [line['step'] for line in writers.read_lines(path)][:2] == [1, 2]
    lines = writers.JsonLines(path)
    lines.write_scalars(4, {})
    lines.close()
    steps = [line['step'] for line in lines_of(path)]
    assert steps in ([1, 2, 4], [1, 2, 3, 4])
    assert (3 in steps) == ('3}' in tail or '1}' in tail)


def test_truncate_drops_later_steps_and_goes_on(tmp_path):
    path = tmp_path / 'metrics.jsonl'
    lines = writers.JsonLines(path)
    for step in (10, 20, 30, 40):
        lines.write_scalars(step, {})
    lines.truncate(20)
    assert [line['step'] for line in lines_of(path)] == [10, 20]
    lines.write_scalars(30, {'again': 1})
    lines.close()
    assert lines_of(path)[-1] == {'step': 30, 'again': 1}
    assert os.listdir(tmp_path) == ['metrics.jsonl']


# TensorBoard


def test_tensorboard_events_hold_scalars_and_pictures(tmp_path):
    from tensorboardX.proto import event_pb2

    board = writers.TensorBoard(tmp_path, step=7)
    board.write_scalars(
        8, {'d_loss': jnp.float32(0.5), 'bad': float('nan'), 'note': 'x', 'none': None}
    )
    board.write_images(8, 'samples', picture(4, 6, 1))
    board.write_images(8, 'five', picture(4, 6, 5))
    board.close()
    (file,) = tmp_path.iterdir()
    events = [event_pb2.Event.FromString(record) for record in records(file.read_bytes())]
    values = {v.tag: (e.step, v) for e in events for v in e.summary.value}
    assert values.keys() == {'d_loss', 'samples', 'five'}
    assert (values['d_loss'][0], values['d_loss'][1].simple_value) == (8, 0.5)
    assert (values['samples'][1].image.height, values['samples'][1].image.width) == (4, 6)
    assert values['five'][1].image.width == 30
    assert any(e.step == 8 and e.HasField('session_log') for e in events)  # hides older events


def records(data):
    """Yield the records of a TFRecord file: length, its checksum, data, its checksum."""
    while data:
        length = int.from_bytes(data[:8], 'little')
        yield data[12 : 12 + length]
        data = data[16 + length :]


# Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_plain_lines_without_a_terminal():
    now = iter([0.0, 100.0, 110.0, 130.0])  # made, then compiled and at step 100, ...
    out = io.StringIO()
    progress = ProgressBar(1000, stream=out, clock=lambda: next(now))
    for step in (100, 200, 400):
        progress.advance(step)
        scalars = {
            'images': 9,
            'images_per_second': 12345.6,
            'd_loss': jnp.float32(0.25),
            'acc': 1.0,
        }
        progress.write_scalars(step, scalars)
    progress.say('saved')
    progress.close()
    first, second, third, said = out.getvalue().splitlines()
    assert first == 'step 100/1000  12,346 images/s  d_loss 0.25  15:00 left'
    assert second == 'step 200/1000  12,346 images/s  d_loss 0.25  1:20 left'  # without compilation
    assert third.endswith('  1:00 left')
    assert said == 'saved'


def test_a_bar_on_a_terminal():
    out = Terminal()
    progress = ProgressBar(10, 4, stream=out)
    progress.advance(5)
    progress.write_scalars(6, {'g_loss': 1.5})
    progress.say('saved')
    progress.close()
    text = out.getvalue()
    assert '6/10' in text
    assert 'g_loss 1.5' in text
    assert 'saved\n' in text
    assert text.count('\r') > 1


@pytest.mark.parametrize(
    ('seconds', 'text'), [(0.4, '0:00'), (65, '1:05'), (3600, '1:00:00'), (90061, '25:01:01')]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


# The composite


def test_all_writers_of_a_run(tmp_path, capsys):
    (tmp_path / 'metrics.jsonl').write_text('{"step": 2}\n{"step": 6}\n{"step"')
    run = writers.open_all(tmp_path, total=8, step=4)
    run.advance(5)
    run.write_scalars(6, {'d_loss': 1.0})
    run.write_images(6, 'samples', picture(5, 5, 3))
    run.say('done')
    run.close()
    assert lines_of(tmp_path / 'metrics.jsonl') == [{'step': 2}, {'step': 6, 'd_loss': 1.0}]
    assert sorted(os.listdir(tmp_path)) == ['metrics.jsonl', 'samples', 'tensorboard']
    assert os.listdir(tmp_path / 'samples') == ['6.png']
    assert capsys.readouterr().out.splitlines()[-1] == 'done'


def test_close_reaches_every_writer_though_one_fails():
    closed = []

    class Failing(writers.PictureFiles):
        def close(self):
            closed.append(self.folder.name)
            raise OSError(28, 'No space left on device')

    run = writers.Writers([Failing('a'), Failing('b')])
    with pytest.raises(OSError, match='No space'):
        run.close()
    assert sorted(closed) == ['a', 'b']


# Pictures


def test_to_uint8():
    values = np.array([-2, -1, 0, 1, 2, np.nan, np.inf, -np.inf], np.float32)
    signed, unsigned = [0, 0, 128, 255, 255, 0, 255, 0], [0, 0, 0, 255, 255, 0, 255, 0]
    np.testing.assert_array_equal(to_uint8(values, '[-1,1]'), signed)
    np.testing.assert_array_equal(to_uint8(values, '[0,1]'), unsigned)
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_uint8(every / 127.5 - 1, '[-1,1]'), every)
    np.testing.assert_array_equal(to_uint8(jnp.asarray(every / 255), '[0,1]'), every)


@pytest.mark.parametrize(('size', 'scale'), [(8, 8), (28, 2), (31, 2), (32, 1), (80, 1)])
def test_grid_shows_every_image_at_its_place(size, scale):
    images = picture(2, 3, size, size - 4, 3)
    made = pictures.grid(images)
    height, width = scale * size + 2, scale * (size - 4) + 2
    assert made.shape == (2 * height + 2, 3 * width + 2, 3)
    for row in range(2):
        for column in range(3):
            top, left = 2 + row * height, 2 + column * width
            cell = made[top : top + height - 2, left : left + width - 2]
            np.testing.assert_array_equal(cell[::scale, ::scale], images[row, column])
            np.testing.assert_array_equal(cell[scale - 1 :: scale], cell[::scale])
            made[top : top + height - 2, left : left + width - 2] = 255
    assert (made == 255).all()


def test_grid_of_a_list_is_nearly_square_and_keeps_16_bits():
    images = picture(7, 40, 40, 1, dtype=np.uint16)
    made = pictures.grid(images, pad=1)
    assert (made.shape, made.dtype) == ((3 * 41 + 1, 3 * 41 + 1, 1), np.uint16)
    np.testing.assert_array_equal(made[83:123, 1:41], images[6])
    assert (made[83:, 42:] == 65535).all()


def test_strip_puts_rows_above_each_other():
    top, bottom = picture(5, 32, 32, 1), picture(5, 32, 32, 1)
    made = pictures.strip(top, bottom)
    assert made.shape == (2 * 34 + 2, 5 * 34 + 2, 1)
    np.testing.assert_array_equal(made[36:68, 2:34], bottom[0])


@pytest.mark.parametrize(
    ('shape', 'dtype', 'mode'),
    [
        ((6, 5), np.uint8, 'L'),
        ((6, 5, 1), np.uint8, 'L'),
        ((6, 5, 3), np.uint8, 'RGB'),
        ((6, 5, 4), np.uint8, 'RGBA'),
        ((6, 5, 1), np.uint16, 'I;16'),
    ],
)
def test_png_keeps_every_value(tmp_path, shape, dtype, mode):
    made = picture(*shape, dtype=dtype)
    pictures.save_png(tmp_path / 'new' / 'x.png', made)
    with PIL.Image.open(tmp_path / 'new' / 'x.png') as opened:
        assert opened.mode == mode
        np.testing.assert_array_equal(np.asarray(opened).reshape(shape), made)
    assert os.listdir(tmp_path / 'new') == ['x.png']


@pytest.mark.parametrize('channels', [2, 5])
def test_png_of_other_channels_lays_them_side_by_side(tmp_path, channels):
    made = picture(6, 5, channels)
    pictures.save_png(tmp_path / 'x.png', made)
    side_by_side = np.concatenate([made[..., c] for c in range(channels)], axis=1)
    np.testing.assert_array_equal(pictures.read(tmp_path / 'x.png')[..., 0], side_by_side)


@pytest.mark.parametrize('channels', [3, 4])
def test_colour_of_16_bits_is_kept(tmp_path, channels):
    made = picture(4, 6, channels, dtype=np.uint16)
    pictures.save_png(tmp_path / 'x.png', made)
    content = (tmp_path / 'x.png').read_bytes()
    start = content.index(b'IDAT')
    (size,) = struct.unpack('>I', content[start - 4 : start])
    lines = np.frombuffer(zlib.decompress(content[start + 4 :][:size]), np.uint8).reshape(4, -1)
    assert (lines[:, 0] == 0).all()  # no filters
    found = np.ascontiguousarray(lines[:, 1:]).view('>u2').reshape(made.shape)
    np.testing.assert_array_equal(found, made)
    with PIL.Image.open(tmp_path / 'x.png') as opened:
        opened.verify()
    # all that Pillow reads of it
    np.testing.assert_array_equal(pictures.read(tmp_path / 'x.png'), made >> 8)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / 'x.png'
    pictures.save_png(path, picture(4, 4, 3))
    before = path.read_bytes()

    def fail():
        with files.replacing(path) as temporary:
            temporary.write_bytes(b'half')
            raise OSError(28, 'No space left on device')

    with pytest.raises(OSError, match='No space'):
        fail()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ['x.png']


def test_a_path_that_cannot_be_written_is_an_oserror(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(OSError):  # which one depends on the system
        pictures.save_png(tmp_path / 'file' / 'x.png', picture(4, 4, 3))


def test_files_are_in_natural_order(tmp_path):
    for name in ('100.png', '9.png', '20.png', 'a.txt', '.9.1.tmp.png'):
        (tmp_path / name).write_bytes(b'')
    assert [path.name for path in pictures.files(tmp_path)] == ['9.png', '20.png', '100.png']


def frames_of(path):
    with PIL.Image.open(path) as opened:
        for index in range(opened.n_frames):
            opened.seek(index)
            yield np.asarray(opened.convert('RGB')), opened.info['duration']


def test_gif_of_files_in_order_with_the_last_held(tmp_path):
    for step in (2, 10, 100):
        pictures.save_png(tmp_path / f'{step}.png', np.full((8, 8, 1), step, np.uint8))
    pictures.gif(pictures.files(tmp_path), tmp_path / 'progress.gif', fps=10, hold=3)
    frames = list(frames_of(tmp_path / 'progress.gif'))
    assert [int(frame[0, 0, 0]) for frame, _ in frames] == [2, 10, 100]
    assert [duration for _, duration in frames] == [100, 100, 3000]


def test_gif_of_many_frames_keeps_the_first_and_the_last(tmp_path):
    frames = [np.full((4, 4, 3), value, np.uint8) for value in range(250)]
    pictures.gif(frames, tmp_path / 'x.gif', most=20)
    got = [int(frame[0, 0, 0]) for frame, _ in frames_of(tmp_path / 'x.gif')]
    assert len(got) == 20
    assert (got[0], got[-1]) == (0, 249)
    assert max(np.diff(got)) <= 14


def test_gif_of_growing_frames_has_the_last_size(tmp_path):
    frames = [picture(8, 8, 3), picture(16, 24, 3)]
    pictures.gif(frames, tmp_path / 'x.gif')
    (first, _), _ = frames_of(tmp_path / 'x.gif')
    assert first.shape == (16, 24, 3)


def test_no_frames_is_told():
    with pytest.raises(UserError, match=r'no pictures to make x\.gif of'):
        pictures.gif([], 'x.gif')


def test_progress_panel_has_the_top_row_of_each_time():
    grids = [pictures.grid(np.full((2, 3, 32, 32, 1), value, np.uint8)) for value in range(30)]
    panel = pictures.progress_panel(grids, grid_rows=2, most=4)
    assert panel.shape == (4 * 34 + 2, 3 * 34 + 2, 1)
    assert [int(panel[10 + 34 * row, 10, 0]) for row in range(4)] == [0, 10, 19, 29]
    assert (panel[34:36] == 255).all()


def test_mp4(tmp_path):
    imageio_ffmpeg = pytest.importorskip('imageio_ffmpeg')
    frames = [np.full((33, 40, 3), value, np.uint8) for value in range(0, 240, 20)]
    pictures.mp4(frames, tmp_path / 'walk.mp4', fps=12)
    count, seconds = imageio_ffmpeg.count_frames_and_secs(str(tmp_path / 'walk.mp4'))
    assert count == 12
    assert seconds == pytest.approx(1.0)
    assert os.listdir(tmp_path) == ['walk.mp4']


def test_mp4_that_cannot_be_encoded_is_an_oserror(tmp_path):
    pytest.importorskip('imageio_ffmpeg')
    with pytest.raises(OSError, match=r'walk\.mp4: '):
        pictures.mp4([picture(4, 4, 3)], tmp_path / 'walk.mp4', fps=-1)
    assert os.listdir(tmp_path) == []


def test_a_movie_is_a_gif_and_an_mp4_where_there_is_an_encoder(tmp_path, monkeypatch):
    frames = [np.full((8, 8, 1), value, np.uint8) for value in (0, 100, 200)]
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    said = pictures.movie(frames, tmp_path / 'walk.of', fps=10)
    assert said.startswith('walk.of.gif (') and 'pip install' in said
    assert os.listdir(tmp_path) == ['walk.of.gif']
    assert [int(frame[0, 0, 0]) for frame, _ in frames_of(tmp_path / 'walk.of.gif')] == [
        0,
        100,
        200,
    ]
    monkeypatch.setattr(pictures, 'mp4', lambda frames, path, fps: path.touch())
    assert pictures.movie(frames, tmp_path / 'walk') == 'walk.gif and walk.mp4'
    assert (tmp_path / 'walk.mp4').exists() and (tmp_path / 'walk.gif').exists()


def test_mp4_without_an_encoder_says_what_to_install(monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(UserError, match=r"x.mp4 needs .*pip install 'gan_jax\[video\]'"):
        pictures.mp4([picture(4, 4, 3)], 'x.mp4')


# Curves


def panels(monkeypatch, tmp_path, lines):
    """Return the panels that are drawn for some lines of metrics."""
    seen = []
    monkeypatch.setattr(
        curves.Figure, 'savefig', lambda self, path, **_: seen.append(self) or path.write_bytes(b'')
    )
    with open(tmp_path / 'metrics.jsonl', 'w') as file:
        file.writelines(json.dumps(line) + '\n' for line in lines)
    curves.loss_curves(tmp_path / 'metrics.jsonl', tmp_path / 'losses.png')
    return seen[0].axes


def test_curves_by_kind(monkeypatch, tmp_path):
    lines = [
        {'step': s, 'images': 64 * s, 'd_loss': 1 / s, 'g_loss': None if s == 3 else 2.0,
         'seconds': s, 'd_real_accuracy': 0.01 if s == 2 else 0.9, 'g_grad_norm': 10.0**s}
        for s in range(1, 6)
    ]  # fmt: skip
    loss, accuracy, norm = panels(monkeypatch, tmp_path, lines)
    assert [line.get_label() for line in loss.lines] == ['d_loss', 'g_loss']
    np.testing.assert_array_equal(loss.lines[0].get_xdata(), 64 * np.arange(1, 6))
    np.testing.assert_allclose(loss.lines[0].get_ydata(), 1 / np.arange(1, 6))
    assert math.isnan(loss.lines[1].get_ydata()[2])
    assert [axis.get_yscale() for axis in (loss, accuracy, norm)] == ['linear', 'linear', 'log']
    assert [line.get_label() for line in accuracy.lines] == ['d_real_accuracy']


def test_an_evaluation_is_no_gap_in_the_losses(monkeypatch, tmp_path):
    lines = [{'step': s, 'd_loss': 1.0} for s in (1, 2)] + [{'step': 2, 'val_loss': 0.5}]
    (loss,) = panels(monkeypatch, tmp_path, [*lines, {'step': 3, 'd_loss': 1.0}])
    assert [list(line.get_xdata()) for line in loss.lines] == [[1, 2, 3], [2]]
    assert np.isfinite(loss.lines[0].get_ydata()).all()


def test_negative_losses_stay_linear(monkeypatch, tmp_path):
    lines = [{'step': s, 'd_loss': v} for s, v in enumerate([-100.0, 0.1, 1000.0])]
    (loss,) = panels(monkeypatch, tmp_path, lines)
    assert loss.get_yscale() == 'linear'
    assert loss.get_xlabel() == 'step'


@pytest.mark.parametrize('lines', ['', '{"step": 1, "d_loss": 0.5, "g_loss": null}\n{"step"'])
def test_curves_are_a_picture_even_of_next_to_nothing(tmp_path, lines):
    (tmp_path / 'metrics.jsonl').write_text(lines)
    curves.loss_curves(tmp_path / 'metrics.jsonl', tmp_path / 'losses.png')
    assert pictures.read(tmp_path / 'losses.png').shape[1] == 800
