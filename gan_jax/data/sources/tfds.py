"""Any tensorflow-datasets name and split; reading needs no TensorFlow."""

import pathlib
from typing import Any

import numpy as np

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
    feature where there are several. Prepares the data set on first use.
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
        self.column = column or first_image(builder, dataset)
        self.label = first_label(builder) if labels != 'none' else ''
        self.data = open_split(builder, split or 'train', self.column)
        classes = builder.info.features[self.label].names if self.label else ()
        shape = geometry.make(size, crop, resize, channels, background)
        names = Numbered(f'{dataset} {split or "train"}', len(self.data))
        super().__init__(names, shape, None, classes)
        self.spec = self.survey(on_error == 'raise', dataset)

    def read(self, index: int) -> bytes:
        """Return the encoded bytes of an example."""
        return self.record(index)[self.column]

    def record(self, index: int) -> dict[str, Any]:
        """Return one record, its image still encoded; raises BadImage."""
        try:
            return self.data[int(index)]
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
            records = self.data.__getitems__([int(i) for i in indices])
        except Exception:
            return stack([self[int(i)] for i in indices])
        return stack([self.example(i, r) for i, r in zip(indices, records, strict=True)])


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


def first_image(builder: Any, dataset: str) -> str:
    """Return the name of the first image feature; raises UserError where there is none."""
    kinds = {name: type(f).__name__ for name, f in builder.info.features.items()}
    found = [name for name, kind in kinds.items() if kind == 'Image']
    if not found:
        raise UserError(f"data set '{dataset}' has no images; it has: {', '.join(kinds)}")
    return found[0]


def first_label(builder: Any) -> str:
    """Return the name of the first class label, or ''."""
    features = builder.info.features.items()
    return next((name for name, f in features if type(f).__name__ == 'ClassLabel'), '')


def open_split(builder: Any, split: str, column: str) -> Any:
    """Open a split for random access, images left encoded; raises UserError."""
    import tensorflow_datasets as tfds

    if column not in builder.info.features:
        raise UserError(
            f"config.data.column='{column}' is no feature of '{builder.name}'; it has: "
            f'{", ".join(builder.info.features)}'
        )
    try:
        return builder.as_data_source(split, decoders={column: tfds.decode.SkipDecoding()})
    except NotImplementedError:
        raise UserError(
            f"data set '{builder.name}' in {builder.data_path} is prepared without random access; "
            f"prepare it again with file_format='array_record'"
        ) from None
    except Exception as error:
        line = (str(error).splitlines() or [''])[0]
        raise UserError(f"config.data.split='{split}': {line}") from None
