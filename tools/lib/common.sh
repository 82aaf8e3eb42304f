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

# Puts the virtual environment's programs (cmake, ninja, lit, python) and the built package first.
use_environment() {
  export VIRTUAL_ENV=$VENV
  export PATH=$VENV/bin:$PATH
  export PYTHONPATH=$BUILD/python${PYTHONPATH:+:$PYTHONPATH}
  # Objects are shared between checkouts: paths below the root count as relative.
  export CCACHE_BASEDIR=$ROOT CCACHE_NOHASHDIR=1
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
