#!/usr/bin/env bash
# What `make test` checks, in order of speed. All checks run even when one fails; exit 1 when any did.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

readonly BIN=.venv/bin
STEP_TAIL=200
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
failed=()

check() {
    local name=$1 title=$2
    shift 2
    step "$title" "$logs/$name" "$@" || failed+=("$name")
}

check format "format (ruff)" "$BIN/ruff" format --check .
check lint "lint (ruff)" "$BIN/ruff" check .
check imports "rooms (import-linter)" "$BIN/lint-imports" --no-cache
check types "types (mypy --strict)" "$BIN/mypy"
"$BIN/python" -m pytest -q -m "not slow" "$@" || failed+=(tests)

if [ "${#failed[@]}" -gt 0 ]; then
    printf '  ✗ failed: %s\n' "${failed[*]}" >&2
    exit 1
fi
