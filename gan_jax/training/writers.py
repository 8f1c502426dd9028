"""Where a run reports to: JSON lines, TensorBoard, a progress bar, picture files.

Each writer has `write_scalars`, `write_images` and `close`; `Writers` passes every call to all of
them. Values may be Python, numpy or device scalars.
"""

import json
import math
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from gan_jax import documents, files, pictures
from gan_jax.errors import printable
from gan_jax.training.progress_bar import ProgressBar

Path = str | os.PathLike[str]
Scalars = Mapping[str, Any]
# A line of metrics.jsonl: a number that was not finite is null.
LINE = {'step': int, 'images': (int, None)}


class Writer(Protocol):
    """Take reports of a run. A writer ignores what it has no use for."""

    def write_scalars(self, step: int, scalars: Scalars) -> None:
        """Report named numbers of one step."""

    def write_images(self, step: int, name: str, picture: np.ndarray) -> None:
        """Report a picture, uint8 [H, W, C], under a name."""

    def close(self) -> None:
        """Finish; no call may follow."""


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: numbers as Python's, what is not finite as None.

    A float32 is written with the digits that tell it apart, not with those of its double.
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    array = np.asarray(value)
    if array.ndim:
        return [plain(item) for item in array]
    number = array.item()
    if not isinstance(number, float):
        return number
    return float(str(array[()])) if math.isfinite(number) else None


class JsonLines:
    """Append one JSON object a log step to a file, and flush it."""

    def __init__(self, path: Path):
        """Open the file, made where it is missing. Half a line, left by a kill, is removed."""
        self.path = pathlib.Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._last = ''
        if self.path.exists() and not self.path.read_bytes().endswith(b'\n'):
            self.truncate()
        self._file = self.path.open('a', encoding='utf-8')

    def write_scalars(self, step: int, scalars: Scalars) -> None:
        """Write the step and the scalars as one line, unless it is the last that is there."""
        line = json.dumps(plain({'step': step, **scalars}), allow_nan=False)
        if line == self._last:
            return  # an evaluation made up for, by a run that was killed before it had saved
        self._last = line
        self._file.write(line + '\n')
        self._file.flush()

    def write_images(self, step: int, name: str, picture: np.ndarray) -> None:
        """Ignore pictures."""

    def truncate(self, step: float = math.inf) -> None:
        """Drop the lines of later steps than this one, and lines that are not whole."""
        lines = [line for line in read_lines(self.path) if line['step'] <= step]
        with files.replacing(self.path) as temporary:
            temporary.write_text(''.join(json.dumps(line) + '\n' for line in lines), 'utf-8')
        self._last = json.dumps(lines[-1]) if lines else ''
        if hasattr(self, '_file'):
            # the open file is the one that was just replaced
            self._file.close()
            self._file = self.path.open('a', encoding='utf-8')

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a metrics.jsonl, without those that are damaged or not whole.

    Raises:
      UserError: the file cannot be read.
    """
    return documents.read_lines(path, LINE)


class TensorBoard:
    """Write scalars and pictures as TensorBoard events."""

    def __init__(self, folder: Path, step: int = 0):
        """Open a new event file; at a resume from `step`, what came after it is hidden."""
        import tensorboardX  # half a second, which commands that write no events are spared

        self._writer = tensorboardX.SummaryWriter(
            str(folder), purge_step=step + 1 if step else None
        )

    def write_scalars(self, step: int, scalars: Scalars) -> None:
        """Write the numbers; those that are not finite are left out."""
        for name, value in scalars.items():
            number = plain(value)
            if isinstance(number, int | float) and not isinstance(number, bool):
                self._writer.add_scalar(name, number, step)

    def write_images(self, step: int, name: str, picture: np.ndarray) -> None:
        """Write a picture of any number of channels."""
        self._writer.add_image(name, pictures.read(picture), step, dataformats='HWC')

    def close(self) -> None:
        """Write what is left and close the file."""
        self._writer.close()


class PictureFiles:
    """Write each picture to <folder>/<name>/<step>.png."""

    def __init__(self, folder: Path):
        self.folder = pathlib.Path(folder)

    def write_scalars(self, step: int, scalars: Scalars) -> None:
        """Ignore numbers."""

    def write_images(self, step: int, name: str, picture: np.ndarray) -> None:
        """Write the PNG file in one step."""
        pictures.save_png(self.folder / name / f'{step}.png', picture)

    def close(self) -> None:
        """Do nothing: every file is complete."""


class Writers:
    """Pass every report to several writers."""

    def __init__(self, writers: Sequence[Writer]):
        self.writers = tuple(writers)

    def write_scalars(self, step: int, scalars: Scalars) -> None:
        """Report named numbers of one step."""
        for writer in self.writers:
            writer.write_scalars(step, scalars)

    def write_images(self, step: int, name: str, picture: np.ndarray) -> None:
        """Report a picture, uint8 [H, W, C], under a name."""
        for writer in self.writers:
            writer.write_images(step, name, picture)

    def advance(self, step: int) -> None:
        """Move what shows progress."""
        for writer in self.writers:
            if isinstance(writer, ProgressBar):
                writer.advance(step)

    def say(self, text: str) -> None:
        """Print a line beside what shows progress; on stdout where nothing does."""
        showing = [writer for writer in self.writers if isinstance(writer, ProgressBar)]
        for writer in showing:
            writer.say(text)
        if not showing:
            print(printable(text), flush=True)

    def close(self) -> None:
        """Close all, the last first, even where one of them fails."""
        errors = []
        for writer in reversed(self.writers):
            try:
                writer.close()
            except OSError as error:
                errors.append(error)
        if errors:
            raise errors[0]


def open_all(workdir: Path, *, total: int, step: int = 0) -> Writers:
    """Open the writers of a run in its folder, from `step` of `total`.

    metrics.jsonl is cut back to `step`, TensorBoard events are in tensorboard/, and a picture
    named 'samples' goes to samples/<step>.png. Raises OSError where the folder cannot be written.
    """
    workdir = pathlib.Path(workdir)
    lines = JsonLines(workdir / 'metrics.jsonl')
    lines.truncate(step)
    board = TensorBoard(workdir / 'tensorboard', step)
    return Writers([lines, board, PictureFiles(workdir), ProgressBar(total, step)])
