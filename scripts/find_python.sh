#!/usr/bin/env bash
# Prints the path of a CPython of the given version (3.8), or exits 1: looks on PATH and among pyenv's versions.
set -eu
for candidate in "$(command -v "python$1" || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
  if [ -x "$candidate" ] && "$candidate" -c "import sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then
    echo "$candidate"
    exit 0
  fi
done
exit 1
