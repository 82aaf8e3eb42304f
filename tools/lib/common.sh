# Sourced by the scripts in tools/: where things are, how to speak, how to build.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
VENV=${QUADRILLE_VENV:-$ROOT/.venv}
BUILD=$ROOT/build/dev

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
die() {
  printf '%s\n' "$*" >&2
  exit 1
}

# pip_install VENV ARGUMENT...
pip_install() { "$1/bin/python" -m pip install -q --disable-pip-version-check "${@:2}"; }

# once_per_pins STAMP FILE... -- COMMAND...: runs the command unless it last ran, by the stamp, with the same files.
once_per_pins() {
  local stamp=$1 files=() want
  shift
  while [[ $1 != -- ]]; do files+=("$1") && shift; done
  shift
  want=$(cat "${files[@]}" | sha256sum)
  [[ -f $stamp && $(cat "$stamp") == "$want" ]] && return
  "$@"
  printf '%s\n' "$want" >"$stamp"
}

# Objects are shared between checkouts and build folders: paths below the root count as relative.
# (So do compilers by the same name: what Python was built with would be another.)
share_objects() { export CCACHE_BASEDIR=$ROOT CCACHE_NOHASHDIR=1 CC=${CC-cc} CXX=${CXX-c++}; }

# Puts the virtual environment's programs (cmake, ninja, lit, python) and the built package first.
use_environment() {
  export VIRTUAL_ENV=$VENV
  export PATH=$VENV/bin:$PATH
  export PYTHONPATH=$BUILD/python${PYTHONPATH:+:$PYTHONPATH}
  share_objects
}

# build TARGET...: configures build/dev when it is new or the preset changed, then builds.
# CMake and Ninja see to the rest: a build with nothing to do takes a second.
build() {
  local stamp=$BUILD/.preset preset
  preset=$(cat "$ROOT/CMakePresets.json" "$VENV/.requirements" | sha256sum)
  if [[ ! -f $BUILD/build.ninja || $(cat "$stamp" 2>/dev/null) != "$preset" ]]; then
    (cd "$ROOT" && cmake --preset dev)
    printf '%s\n' "$preset" >"$stamp"
  fi
  cmake --build "$BUILD" ${QUADRILLE_JOBS:+--parallel "$QUADRILLE_JOBS"} --target "$@"
}
