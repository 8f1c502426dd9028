"""The certificate: a number together with all that it depends on."""

import importlib.metadata
import json
import os
import pathlib
import platform
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax

from gan_jax import documents, files
from gan_jax.errors import UserError
from gan_jax.metrics.evaluators.protocol import Value
from gan_jax.metrics.features.protocol import Extractor

PACKAGES = ('flax', 'jax', 'jaxlib', 'numpy', 'pillow', 'scipy')
# two numbers can be compared if they agree in all of these
PROTOCOL = (
    'metric',
    'version',
    'parameters',
    'real.count',
    'real.digest',
    'fake.count',
    'features.network',
    'features.resize',
    'features.sha256',
    'features.conversion',
    'generator.maker',
    'generator.ema',
    'generator.options',
)


# what is read of a certificate
CERTIFICATE = {'metric': str, 'value': float, 'standard_error': (float, None)}
# what a certificate says of a generator; options are the maker's, None where it has none
GENERATOR = ('digest', 'step', 'ema', 'maker', 'options')


class Sides(NamedTuple):
    """Hold what a certificate says of the real images, the fakes, and their generator."""

    real: Mapping[str, Any]
    fake: Mapping[str, Any]
    generator: Mapping[str, Any]


def certify(
    values: Sequence[Value], extractor: Extractor, sides: Sides, about: Mapping[str, Any]
) -> list[dict]:
    """Return the certificate of each value; about holds the seed, the repeats and the seconds."""
    shared = {
        'real': dict(sides.real),
        'fake': dict(sides.fake),
        'features': {
            'network': extractor.name,
            'resize': extractor.resize,
            'sha256': extractor.sha256,
            'conversion': extractor.note,
        },
        'generator': {key: sides.generator.get(key) for key in GENERATOR},
        **about,
        **environment(),
    }
    return [
        {
            **shared,
            'metric': v.metric,
            'value': v.value,
            'version': v.version,
            'parameters': v.parameters,
            'standard_error': v.error,
            'standard_error_over': v.over,
        }
        for v in values
    ]


def environment() -> dict[str, Any]:
    """Return the versions and the hardware that a number was computed with."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    versions['gan_jax'] = gan_jax_version()
    versions['python'] = platform.python_version()
    device = f'{jax.device_count()} x {jax.devices()[0].device_kind}'
    hardware = {'device': device, 'cpus': os.cpu_count(), 'machine': platform.machine()}
    return {'packages': versions, 'hardware': hardware}


def gan_jax_version() -> str:
    try:
        return importlib.metadata.version('gan_jax')
    except importlib.metadata.PackageNotFoundError:
        return 'unknown'


def encode(certificates: Any) -> str:
    """Return JSON with sorted keys: the same content gives the same bytes."""
    return json.dumps(certificates, sort_keys=True, indent=1, allow_nan=False) + '\n'


def write(path: str | pathlib.Path, certificates: list[dict]) -> None:
    """Write certificates as a JSON list, whole or not at all."""
    with files.replacing(path) as temporary:
        temporary.write_text(encode(certificates), encoding='utf-8')


def line(certificate: Mapping[str, Any]) -> str:
    """Return a value in one line, with its standard error where that is known."""
    value, error = certificate['value'], certificate['standard_error']
    return f'{certificate["metric"]} {value:.6g}' + (f' +- {error:.2g}' if error else '')


def read(path: str | pathlib.Path) -> dict[str, dict]:
    """Return the certificates in a file, by metric; raise UserError where it holds none."""
    try:
        content = documents.read(path)
        entries = content if isinstance(content, list) else [content]
        wrong = documents.mismatch(entries, [CERTIFICATE]) if entries else 'the list is empty'
    except FileNotFoundError:
        wrong = 'there is no such file'
    if wrong:
        raise UserError(f'{path} holds no certificates: {wrong}')
    return {entry['metric']: entry for entry in entries}


def field(certificate: dict, path: str) -> Any:
    """Return a field by its dotted path; None where it is not there."""
    value: Any = certificate
    for key in path.split('.'):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def differences(a: dict, b: dict) -> list[str]:
    """Return the fields of the protocol in which two certificates differ, with both values."""
    pairs = [(path, field(a, path), field(b, path)) for path in PROTOCOL]
    return [f'{path} ({x} and {y})' for path, x, y in pairs if x != y]


def compare(a: dict, b: dict) -> dict[str, Any]:
    """Return the difference of two numbers of one protocol, and what is known of its error.

    Raises:
      UserError: the protocols differ; names the fields.
    """
    different = differences(a, b)
    if different:
        name = a.get('metric')
        raise UserError(f'{name}: not comparable, they differ in {"; ".join(different)}')
    errors = [a.get('standard_error'), b.get('standard_error')]
    known = [e for e in errors if e is not None]
    error = sum(e * e for e in known) ** 0.5 if len(known) == 2 else None
    difference = b['value'] - a['value']
    return {
        'metric': a['metric'],
        'a': a['value'],
        'b': b['value'],
        'difference': difference,
        'standard_error': error,
    }
