#!/bin/sh
# Finds Python 3.11 or newer that can make virtual environments, then hands over to offline.bootstrap.
set -eu
cd "$(dirname "$0")/.."

suits() {
  "$1" -c 'import ensurepip, ssl, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
  for name in python3 python3.13 python3.12 python3.11; do
    if suits "$name"; then python=$name && return; fi
  done
  return 1
}

missing=
find_python || missing="python3 python3-venv"
if command -v apt-get >/dev/null && [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then
  missing="$missing ca-certificates"
fi
if [ -n "$missing" ]; then
  if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
    echo "FAIL  python    missing: $missing (Python must be 3.11 or newer, with venv);" \
      "run as root: apt-get install --no-install-recommends $missing" >&2
    exit 1
  fi
  if [ "${1:-}" = up ] || [ "${1:-}" = tools ]; then
    echo "...   python    installs $missing"
    mkdir -p .local/log
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # a list of words
    { apt-get update && apt-get install -y --no-install-recommends $missing; } >.local/log/python.log 2>&1 || {
      echo "FAIL  python    apt-get install $missing: $(tail -n 1 .local/log/python.log) (log: .local/log/python.log)" >&2
      exit 1
    }
  fi
  find_python || {
    echo "FAIL  python    no python3 of 3.11 or newer with venv; run \`make up\` as root or install one" >&2
    exit 1
  }
fi
exec "$python" -m offline.bootstrap "$@"
