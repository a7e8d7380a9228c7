# Shared by the set-up scripts: one line per step, and a sentence with a remedy when something cannot go on.
# shellcheck shell=bash

# say TEXT: one line of ordinary news.
say() { printf '  %s\n' "$*"; }

# give_up TEXT...: each argument is one line on stderr; ends the script with 2 (the environment is at fault).
give_up() {
    printf '  %s\n' "$@" >&2
    exit 2
}

# step TITLE LOG COMMAND...: runs COMMAND with its output in LOG, showing TITLE and the seconds that passed.
# On failure prints the last STEP_TAIL (15) lines of LOG and returns COMMAND's status.
step() {
    local title=$1 log=$2 start=$SECONDS shown=0 status=0 pid
    shift 2
    "$@" >"$log" 2>&1 &
    pid=$!
    # A background child of a script ignores Ctrl-C: pass it on, or the step would outlive the make that began it.
    trap 'kill "$pid" 2>/dev/null; exit 130' INT TERM
    while kill -0 "$pid" 2>/dev/null; do
        show_progress "$title" "$((SECONDS - start))"
        sleep 0.2
    done
    wait "$pid" || status=$?
    trap - INT TERM
    [ -t 1 ] && printf '\r\033[K'
    if [ "$status" -ne 0 ]; then
        printf '  ✗ %s\n' "$title" >&2
        tail -n "${STEP_TAIL:-15}" "$log" | sed 's/^/    /' >&2
        printf '    (all of it: %s)\n' "$log" >&2
        return "$status"
    fi
    printf '  ✓ %s (%ds)\n' "$title" "$((SECONDS - start))"
}

# show_progress TITLE SECONDS: a line that is rewritten on a terminal, and a new one every 15 s in a log.
# Uses step's variable `shown`, the last second for which a line was written.
show_progress() {
    if [ -t 1 ]; then
        printf '\r\033[K  … %s (%ds)' "$1" "$2"
    elif [ "$2" -ge $((shown + 15)) ] || { [ "$shown" -eq 0 ] && [ "$2" -ge 2 ]; }; then
        shown=$2
        printf '  … %s (%ds)\n' "$1" "$2"
    fi
}
