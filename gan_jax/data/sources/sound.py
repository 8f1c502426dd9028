"""A folder, zip or tar of sounds, WAV or FLAC, cut or filled up with silence to one length."""

import io
import warnings

import numpy as np

from gan_jax import regular
from gan_jax.core import keys
from gan_jax.data import stores
from gan_jax.data.images import BadImage
from gan_jax.data.keys import LABELS, ON_ERROR, PATH, SPLIT
from gan_jax.data.protocol import LABEL, BadExample, Example, Field, Spec
from gan_jax.data.sources.folder import label_files, prefix_of
from gan_jax.errors import UserError

SUFFIXES = ('.wav', '.flac', '.ogg')
INSTALL = "pip install 'gan_jax[sound]'"
KEYS = {
    **PATH,
    **SPLIT,
    **LABELS,
    'length': keys.count(16_384, 'Samples of each sound.'),
    **ON_ERROR,
}


class Source:
    """Serve 'sound', int16 [length, C], and labels as a folder of images has them.

    Raises UserError where there is nothing to read. Sounds of another rate or number of channels
    than the first one's are bad examples.
    """

    def __init__(
        self,
        path: str = '',
        split: str = '',
        labels: str = 'auto',
        length: int = 16_384,
        on_error: str = 'raise',
    ):
        del on_error
        self.store = stores.open_store(path)
        self.prefix = prefix_of(self.store.names, split, path)
        found = [n for n in self.store.names if n.lower().endswith(SUFFIXES)]
        self.names = [n[len(self.prefix) :] for n in found if n.startswith(self.prefix)]
        if not self.names:
            raise UserError(f"config.data.path='{path}' holds no sounds ({', '.join(SUFFIXES)})")
        self.length = length
        self.rate, self.channels = self.first()
        given = label_files(self.store, self.names, self.prefix, labels)
        self.labels = None if given is None else given.of
        fields = {'sound': Field((length, self.channels), 'int16', 'audio', rate=self.rate)}
        if given is not None:
            fields['label'] = LABEL
        unknown = sum(label < 0 for label in given.of.values()) if given else 0
        self.spec = Spec(fields, 'sound', given.classes if given else (), unknown)

    def first(self) -> tuple[int, int]:
        """Return the rate and the number of channels of the first sound that can be read."""
        reasons = []
        for index in range(len(self.names)):
            try:
                rate, samples = self.read(index)
                return rate, samples.shape[1]
            except BadExample as error:
                reasons.append(str(error))
        raise UserError(f'no readable sound; {reasons[0]}')

    def read(self, index: int) -> tuple[int, np.ndarray]:
        """Return the rate and samples int16 [T, C] of a file; raises BadExample."""
        name = self.names[index]
        full = self.prefix + name
        try:
            return decode(self.store.read(full), name)
        except BadImage as error:
            raise BadExample(name, str(error)) from None

    def name(self, index: int) -> str:
        """Return the file name of an example."""
        return self.names[index]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Example:
        rate, samples = self.read(index)
        name = self.names[index]
        if (rate, samples.shape[1]) != (self.rate, self.channels):
            raise BadExample(
                name,
                f'has {rate} Hz and {samples.shape[1]} channels, the others {self.rate} and '
                f'{self.channels}',
            )
        sound = np.zeros((self.length, self.channels), np.int16)
        part = samples[: self.length]
        sound[: len(part)] = part
        if self.labels is None:
            return {'sound': sound}
        if name not in self.labels:
            raise BadExample(name, 'has no label')
        return {'sound': sound, 'label': np.asarray(self.labels[name], np.int32)}


def decode(data: bytes, name: str) -> tuple[int, np.ndarray]:
    """Return the rate and samples int16 [T, C] of a file's bytes; raises BadImage."""
    # the readers raise almost anything on damaged data
    try:
        rate, samples = wav(data) if name.lower().endswith('.wav') else packed(data)
    except (UserError, BadImage):
        raise
    except Exception as error:
        raise BadImage(f'cannot be read: {error}') from None
    if samples.size == 0:
        raise BadImage('is empty')
    return rate, samples


def wav(data: bytes) -> tuple[int, np.ndarray]:
    """Return the rate and samples of a WAV file of 8, 16 or 32 bits, or of floats."""
    # scipy is slow to import
    from scipy.io import wavfile

    with warnings.catch_warnings():
        warnings.simplefilter('ignore', wavfile.WavFileWarning)
        rate, samples = wavfile.read(io.BytesIO(data))
    samples = samples.reshape(len(samples), -1)
    if samples.dtype == np.uint8:
        samples = (samples.astype(np.int16) - 128) << 8
    elif samples.dtype == np.int32:
        samples = samples >> 16
    elif samples.dtype.kind == 'f':
        samples = np.clip(np.rint(samples * 2**15), -(2**15), 2**15 - 1)
    return rate, samples.astype(np.int16)


def packed(data: bytes) -> tuple[int, np.ndarray]:
    """Return the rate and samples of a FLAC or OGG file."""
    try:
        import soundfile
    except ImportError:
        raise UserError(f'FLAC and OGG need the library soundfile: {INSTALL}') from None
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        if 2 * file.frames * file.channels > regular.MAX_BYTES:
            raise BadImage(f'unpacks to more than {regular.in_words(regular.MAX_BYTES)}')
        return file.samplerate, file.read(file.frames, dtype='int16', always_2d=True)
