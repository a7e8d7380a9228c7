#!/usr/bin/env bash
# Makes sure that .venv holds requirements.lock and this package in editable form. A stamp keyed by the content of what
# it was made from makes every further run free. Exit 2: what to do is on stderr.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

readonly VENV=.venv
readonly STAMP=$VENV/.stamp
# There as long as no installation was cut short in the middle.
readonly WHOLE=$VENV/.whole
readonly LOG=/tmp/swarm-venv.$$.log

wanted_stamp() { cat requirements.lock pyproject.toml scripts/venv.sh | sha256sum | cut -d ' ' -f 1; }

up_to_date() {
    [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$(wanted_stamp)" ] && [ -x "$VENV/bin/swarm" ] &&
        "$VENV/bin/python" -c '' 2>/dev/null
}

# The first Python of 3.11 or newer that really runs (a shim may exist for one that is not installed).
find_python() {
    local candidate
    for candidate in python3.11 python3 python3.12 python3.13 /usr/bin/python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}

can_make_venvs() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

install_python() {
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then give_up "$1"; fi
    say "$1 Installing Debian's packages."
    step "Debian's package lists" "$LOG" apt-get -q update || give_up "$1"
    step "install python3 python3-venv" "$LOG" env DEBIAN_FRONTEND=noninteractive \
        apt-get -q install -y --no-install-recommends python3 python3-venv || give_up "$1"
}

make_venv() {
    local python
    find_python >/dev/null || install_python "Python 3.11 or newer is needed (on Debian 12: python3 and python3-venv)."
    python=$(find_python) || give_up "This system's Python is older than 3.11: install Python 3.11 or newer."
    can_make_venvs "$python" || install_python "$python cannot make virtual environments (on Debian: python3-venv)."
    step "virtual environment with $("$python" --version)" "$LOG" "$python" -m venv --clear "$VENV" ||
        give_up "$python -m venv failed: see above."
}

install_all() {
    local stamp pip=("$VENV/bin/python" -m pip --disable-pip-version-check install --quiet)
    stamp=$(wanted_stamp)
    rm -f "$STAMP" "$WHOLE"
    step "locked dependencies ($(grep -c '==' requirements.lock) packages)" "$LOG" "${pip[@]}" -r requirements.lock ||
        give_up "The dependencies could not be installed; pip's settings and the network are the usual causes."
    touch "$WHOLE"
    step "swarm itself (editable)" "$LOG" "${pip[@]}" --no-deps --no-build-isolation -e . ||
        give_up "swarm could not be installed in editable form: see above."
    # An editable install copies the wheel's assets too; in a checkout the top-level folders are the ones that count.
    rm -rf "$VENV"/lib/python3*/site-packages/swarm
    echo "$stamp" >"$STAMP"
    rm -f "$LOG"
}

main() {
    up_to_date && return 0
    exec 9>.venv.lock
    flock 9
    up_to_date && return 0
    if ! { [ -f "$WHOLE" ] && "$VENV/bin/python" -m pip --version >/dev/null 2>&1; }; then make_venv; fi
    install_all
}

main "$@"
