#!/bin/sh
# Prints a Python fit for building kvsim, or says what this machine lacks and exits 1.
# PYTHON and CXX choose other ones.
set -u

fail() {
  printf 'kvsim cannot be built here: %s\n' "$1" >&2
  exit 1
}

python=""
for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
  if command -v "$candidate" >/dev/null 2>&1 &&
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$(command -v "$candidate")
    break
  fi
done
if [ -z "$python" ]; then
  first=${PYTHON:-python3}
  found=$("$first" --version 2>&1) || found="no $first at all"
  fail "it needs Python 3.11 or newer and found $found.
Install one (Debian: apt-get install python3 python3-venv python3-dev) or name it: make PYTHON=python3.12 ..."
fi

"$python" -c 'import ensurepip, venv' 2>/dev/null ||
  fail "$python has no venv module (Debian: apt-get install python3-venv)."

header=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
[ -f "$header" ] || fail "$python comes without its C headers, $header (Debian: apt-get install python3-dev)."

cxx=${CXX:-c++}
command -v "${cxx%% *}" >/dev/null 2>&1 ||
  fail "it needs a C++20 compiler and there is no '$cxx' (Debian: apt-get install g++), or name one: make CXX=clang++ ..."
scratch=$(mktemp -d) || fail "no temporary folder can be made."
trap 'rm -rf "$scratch"' EXIT
printf '#include <bit>\n#include <concepts>\n#include <span>\nint main() { return std::popcount(0u); }\n' \
  >"$scratch/probe.cpp"
$cxx -std=c++20 -c "$scratch/probe.cpp" -o "$scratch/probe.o" 2>"$scratch/log" ||
  fail "'$cxx' compiles no C++20 (g++ 12 or clang 15, or newer, is needed). It said:
$(head -n 5 "$scratch/log")"

printf '%s\n' "$python"
