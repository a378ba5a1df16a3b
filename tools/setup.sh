#!/usr/bin/env bash
# Make .venv with the project and its development tools, once per content of pyproject.toml.
# A second call with the same pyproject.toml returns at once.
set -euo pipefail
cd "$(dirname "$0")/.."

PYTHON="${PYTHON:-python3}"
key="$(sha256sum pyproject.toml tools/setup.sh | sha256sum | cut -d' ' -f1)"
stamp=".venv/.camber-installed"
if [[ -f "$stamp" && "$(cat "$stamp")" == "$key" ]]; then
    exit 0
fi

if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "camber needs Python 3.11 or newer, found $("$PYTHON" --version). Set PYTHON=/path/to/python3.11." >&2
    exit 1
fi
if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "Python's venv module is missing. On Debian: apt-get install python3-venv" >&2
    exit 1
fi

echo "Setting up .venv (once, about 80 s with a fast connection) ..."
[[ -x .venv/bin/python ]] || "$PYTHON" -m venv .venv
.venv/bin/python -m pip install --quiet "uv>=0.5"
# uv reads a local wheel folder only from its option; pip reads it from the variable.
links=()
[[ -n "${PIP_FIND_LINKS:-}" ]] && links=(--find-links "$PIP_FIND_LINKS")
VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv pip install --quiet "${links[@]}" --editable . --group dev
echo "Compiling kernels (once for each version, about 100 s on two idle cores) ..."
# Bytecode of the libraries is kept even where this variable is set: without it, each process compiles it for seconds.
PYTHONDONTWRITEBYTECODE= .venv/bin/python scripts/compile_kernels.py --quiet
echo "$key" > "$stamp"
