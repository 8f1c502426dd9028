"""Data sets of tensorflow-datasets by name: found where they are prepared, else downloaded."""

import pathlib
import queue
import threading
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from gan_jax.errors import UserError, nearest

# for how long a server may take to answer before nothing is downloaded from it
REACH_SECONDS = 10
INSTALL = "pip install 'gan_jax[prepare]'"


def prepared(dataset: str, path: str) -> Any:
    """Return the builder of a data set that is prepared, preparing it where it is not."""
    builder = built(dataset, path)
    if not builder.is_prepared():
        download(builder, dataset)
    return builder


def built(dataset: str, path: str) -> Any:
    """Return the builder of a data set; raises UserError."""
    import tensorflow_datasets as tfds

    if not dataset:
        raise UserError(
            "config.data.dataset='' names no data set; e.g. --config.data.dataset=mnist"
        )
    folder = str(pathlib.Path(path).expanduser()) if path else None
    if folder and not pathlib.Path(folder).is_dir():
        raise UserError(
            f"config.data.path='{path}' is no folder; give the one that holds {dataset}, an empty "
            "one to prepare it in, or '' for ~/tensorflow_datasets"
        )
    try:
        return tfds.builder(dataset, data_dir=folder)
    except ImportError as error:
        raise needs(dataset, error) from None
    except Exception as error:
        hint = nearest(dataset, tfds.list_builders(with_community_datasets=False))
        raise UserError(
            f"config.data.dataset='{dataset}' cannot be opened{hint}: {first_line(error)}"
        ) from None


def first_line(error: Exception) -> str:
    """Return the first line of an error of the library, which may have many."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def needs(dataset: str, error: ImportError) -> UserError:
    """Say what to install for preparing a data set."""
    return UserError(
        f"data set '{dataset}' is not prepared yet, and preparing it needs {error.name or error}: "
        f'{INSTALL}'
    )


def download(builder: Any, dataset: str) -> None:
    """Download and prepare a data set as array_record, which gives random access."""
    check_network(builder, dataset)
    try:
        builder.download_and_prepare(file_format='array_record')
    except ImportError as error:
        raise needs(dataset, error) from None
    except Exception as error:
        raise UserError(
            f"cannot prepare the data set '{dataset}' in {builder.data_path}: {first_line(error)}"
        ) from None


def check_network(builder: Any, dataset: str) -> None:
    """Refuse to download where no host of a data set can be reached.

    The downloader itself retries for minutes, and logs each time.
    """
    hosts: dict[str, str] = {}
    for url in builder.url_infos:
        hosts.setdefault(urllib.parse.urlsplit(url).netloc, url)
    answers: queue.Queue[str] = queue.Queue()
    for url in hosts.values():
        threading.Thread(target=lambda u: answers.put(reach(u)), args=(url,), daemon=True).start()
    reasons = set()
    try:
        for _ in hosts:
            reasons.add(answers.get(timeout=REACH_SECONDS))
    except queue.Empty:
        reasons.add('no answer')
    if hosts and '' not in reasons:
        raise UserError(
            f"data set '{dataset}' is not prepared ({builder.data_path}), and "
            f'{", ".join(hosts)} cannot be reached to download it: {min(reasons)}'
        )


def reach(url: str) -> str:
    """Return '' where a server answers, whatever it says; else why it does not."""
    request = urllib.request.Request(url, method='HEAD')
    try:
        urllib.request.urlopen(request, timeout=REACH_SECONDS).close()
    except urllib.error.HTTPError:
        return ''
    except (OSError, ValueError) as error:
        return str(getattr(error, 'reason', error))
    return ''
