#!/usr/bin/env bash
# Builds what is compared and measures it:
# run.sh [edge | observability | startup | group-commit | log-in | cache | limiter | postgres | whole]
set -euo pipefail
cd "$(dirname "$0")/.."
missing=()
command -v wrk >/dev/null || missing+=(wrk)
command -v valgrind >/dev/null || missing+=(valgrind)
command -v redis-server >/dev/null || missing+=(redis-server)
compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || command -v initdb >/dev/null || missing+=(postgresql)
if [[ ${1:-whole} == whole ]]; then
    command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
    command -v busybox >/dev/null || missing+=(busybox-static)
    command -v cpio >/dev/null || missing+=(cpio)
fi
if ((${#missing[@]})); then apt-get install -y -q "${missing[@]}"; fi
cargo build --release --quiet -p accounts -p mainstay-bench
if [[ ${1:-} != whole ]]; then "${CARGO_TARGET_DIR:-target}/release/mainstay-bench" "$@"; fi
if [[ ${1:-whole} == whole ]]; then bench/whole/run.sh; fi
