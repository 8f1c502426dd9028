#!/bin/sh
# Measure everything worth knowing of this machine's GPU, in less than ten minutes, as one table.
#
#   sh benchmarks/gpu.sh                      (needs a GPU, jax with CUDA, and PyTorch)
#   sh benchmarks/gpu.sh --smoke              (tiny networks on a CPU: shows that it runs)
#
# Other options are those of benchmarks/gpu.py.
set -eu
cd "$(dirname "$0")/.."
PYTHON="${PYTHON:-$(command -v python || command -v python3)}"
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
if ! missing=$("$PYTHON" -c '
import importlib.util as u
names = "absl flax grain jax ml_collections optax orbax torch".split()
print(" ".join(n for n in names if not u.find_spec(n)))'); then
    echo "error: $PYTHON cannot run" >&2
    exit 2
fi
if [ -n "$missing" ]; then
    echo "not installed: $missing (pip install -e '.[cuda,benchmark]')" >&2
    [ "$missing" = torch ] || exit 2
fi
exec "$PYTHON" benchmarks/gpu.py "$@"
