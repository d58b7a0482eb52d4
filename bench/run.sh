#!/usr/bin/env bash
# Builds what is compared and measures it:
# run.sh [edge | observability | startup | group-commit | log-in | cache | limiter | postgres]
set -euo pipefail
cd "$(dirname "$0")/.."
missing=()
command -v wrk >/dev/null || missing+=(wrk)
command -v valgrind >/dev/null || missing+=(valgrind)
command -v redis-server >/dev/null || missing+=(redis-server)
compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || command -v initdb >/dev/null || missing+=(postgresql)
if ((${#missing[@]})); then apt-get install -y -q "${missing[@]}"; fi
cargo build --release --quiet -p accounts -p mainstay-bench
exec "${CARGO_TARGET_DIR:-target}/release/mainstay-bench" "$@"
