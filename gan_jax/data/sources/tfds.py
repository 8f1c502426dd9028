"""Any tensorflow-datasets name and split; reading needs no TensorFlow."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from gan_jax import errors
from gan_jax.data import geometry
from gan_jax.data.encoded import Encoded, Numbered
from gan_jax.data.images import BadImage
from gan_jax.data.protocol import Example, stack
from gan_jax.errors import UserError, nearest

INSTALL = "pip install 'gan_jax[prepare]'"


class Source(Encoded):
    """Read a data set by name, like 'mnist', 'celeb_a:2.1.0' or 'cycle_gan/horse2zebra'.

    path: the folder of prepared data sets, '' for ~/tensorflow_datasets; split: as
    tensorflow-datasets writes it, 'train' by default, 'train[:10%]' for a part; column: the image
    feature where there are several; labels: 'auto' (the first class label), 'none', or a class
    label or a yes or no by name, like 'attributes.Eyeglasses' or 'Eyeglasses'. Prepares the data
    set on first use.
    """

    def __init__(
        self,
        dataset: str = '',
        path: str = '',
        split: str = '',
        column: str = '',
        size: int | str = '',
        crop: str = 'center',
        resize: str = 'lanczos',
        channels: int = 0,
        background: str = 'white',
        labels: str = 'auto',
        on_error: str = 'raise',
    ):
        builder = prepared(dataset, path)
        features = flat(builder.info.features)
        self.column = image_of(features, column, dataset)
        self.label = label_of(features, labels)
        classes = class_names(self.label, features[self.label]) if self.label else ()
        self.data = open_split(builder, split or 'train')
        self.wanted = tuple(filter(None, (self.column, self.label)))
        shape = geometry.make(size, crop, resize, channels, background)
        names = Numbered(f'{dataset} {split or "train"}', len(self.data))
        super().__init__(names, shape, None, classes)
        self.spec = self.survey(on_error == 'raise', dataset)

    def read(self, index: int) -> bytes:
        """Return the encoded bytes of an example."""
        return self.record(index)[self.column]

    def record(self, index: int) -> dict[str, Any]:
        """Return what is read of one example, its image still encoded; raises BadImage."""
        try:
            return parse(self.data[int(index)], self.wanted)
        # the readers raise almost anything on a damaged shard
        except Exception as error:
            raise BadImage(f'cannot be read: {error}') from None

    def example(self, index: int, record: dict[str, Any]) -> Example:
        """Decode one record."""
        example = {'image': self.fitted(index, record[self.column])}
        if self.label:
            example['label'] = np.asarray(record[self.label], np.int32)
        return example

    def __getitem__(self, index: int) -> Example:
        return self.example(index, self.trusted(index, self.record))

    def batch(self, indices: np.ndarray) -> Example:
        """Read several examples as one batch: one call to the reader is far cheaper than many."""
        try:
            raw = self.data.__getitems__([int(i) for i in indices])
            records = [parse(r, self.wanted) for r in raw]
        except Exception:
            return stack([self[int(i)] for i in indices])
        return stack([self.example(i, r) for i, r in zip(indices, records, strict=True)])


def parse(raw: bytes, wanted: tuple[str, ...]) -> dict[str, Any]:
    """Return the wanted scalars and encoded images of a serialised example.

    The features' own parser goes through all that an example has: for the 52 features of celeb_a
    that takes 0.9 ms, and this 0.02 ms.
    """
    from tensorflow_datasets.proto import tf_example_pb2

    features = tf_example_pb2.Example.FromString(raw).features.feature
    found = {name: features[name.replace('.', '/')] for name in wanted}
    return {name: getattr(f, f.WhichOneof('kind')).value[0] for name, f in found.items()}


def flat(tree: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
    """Return the leaves of nested features by their dotted names."""
    found: dict[str, Any] = {}
    for name, feature in tree.items():
        inner = hasattr(feature, 'items')
        found |= flat(feature, f'{prefix}{name}.') if inner else {prefix + name: feature}
    return found


def kind(feature: Any) -> str:
    """Return what a feature is: 'Image', 'ClassLabel', 'bool', or the name of its type."""
    name = type(feature).__name__
    is_bool = feature.shape == () and np.dtype(getattr(feature, 'np_dtype', object)) == bool
    return 'bool' if name in ('Scalar', 'Tensor') and is_bool else name


def image_of(features: Mapping[str, Any], column: str, dataset: str) -> str:
    """Return the name of the wanted image feature, or of the first; raises UserError."""
    found = [name for name, feature in features.items() if kind(feature) == 'Image']
    if not found:
        raise UserError(f"data set '{dataset}' has no images; it has: {', '.join(features)}")
    if column and column not in found:
        raise errors.unknown('config.data.column', column, found)
    return column or found[0]


def label_of(features: Mapping[str, Any], labels: str) -> str:
    """Return the name of the wanted label, '' for none; raises UserError."""
    found = [n for n, f in features.items() if kind(f) in ('ClassLabel', 'bool')]
    if labels == 'auto':
        return next((n for n in found if kind(features[n]) == 'ClassLabel'), '')
    if labels == 'none':
        return ''
    ends = [n for n in found if n.rpartition('.')[2] == labels]
    if labels not in found and len(ends) != 1:
        raise errors.unknown('config.data.labels', labels, ['auto', 'none', *found])
    return labels if labels in found else ends[0]


def class_names(name: str, feature: Any) -> tuple[str, ...]:
    """Return the names of the classes of a label; those of a yes or no are 'not X' and 'X'."""
    if kind(feature) == 'ClassLabel':
        return tuple(feature.names)
    last = name.rpartition('.')[2]
    return f'not {last}', last


def prepared(dataset: str, path: str) -> Any:
    """Return the builder of a data set that is prepared, preparing it where it is not."""
    import tensorflow_datasets as tfds

    if not dataset:
        raise UserError(
            "config.data.dataset='' names no data set; e.g. --config.data.dataset=mnist"
        )
    folder = str(pathlib.Path(path).expanduser()) if path else None
    try:
        builder = tfds.builder(dataset, data_dir=folder)
    except ImportError as error:
        raise needs(dataset, error) from None
    except Exception as error:
        hint = nearest(dataset, tfds.list_builders(with_community_datasets=False))
        line = str(error).splitlines()[0]
        raise UserError(f"config.data.dataset='{dataset}' cannot be opened{hint}: {line}") from None
    if not builder.is_prepared():
        prepare(builder, dataset)
    return builder


def needs(dataset: str, error: ImportError) -> UserError:
    """Say what to install for preparing a data set."""
    return UserError(
        f"data set '{dataset}' is not prepared yet, and preparing it needs {error.name or error}: "
        f'{INSTALL}'
    )


def prepare(builder: Any, dataset: str) -> None:
    """Download and prepare a data set as array_record, which gives random access."""
    try:
        builder.download_and_prepare(file_format='array_record')
    except ImportError as error:
        raise needs(dataset, error) from None
    except Exception as error:
        line = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise UserError(
            f"cannot prepare the data set '{dataset}' in {builder.data_path}: {line}"
        ) from None


def open_split(builder: Any, split: str) -> Any:
    """Open a split for random access to its serialised examples; raises UserError."""
    import tensorflow_datasets as tfds

    raw = tfds.decode.DeserializeMethod.RAW_BYTES
    try:
        return builder.as_data_source(split, deserialize_method=raw)
    except NotImplementedError:
        raise UserError(
            f"data set '{builder.name}' in {builder.data_path} is prepared without random access; "
            f"prepare it again with file_format='array_record'"
        ) from None
    except Exception as error:
        line = (str(error).splitlines() or [''])[0]
        raise UserError(f"config.data.split='{split}': {line}") from None
