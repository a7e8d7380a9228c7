#!/usr/bin/env bash
# Makes sure that a Docker engine answers. One that answers already is left exactly as it is; otherwise, as root on
# Debian or Ubuntu, Debian's packages are installed and one daemon is started. Exit 2: what to do is on stderr.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The tests set a root of their own, and then nothing of the machine is read or written.
readonly ROOT=${SWARM_ENGINE_ROOT:-}
readonly LOG=$ROOT/var/log/swarm-dockerd.log
readonly LOCK=$ROOT/run/lock/swarm-engine.lock
readonly PIDFILE=$ROOT/var/run/docker.pid
readonly SOCKET=$ROOT/var/run/docker.sock
readonly PROC=$ROOT/proc
readonly NO_PACKAGES="Debian's packages could not be installed: see the log above, mend that, then run this again."
readonly PATIENCE_SECONDS=60
# A sandbox has no network, so an engine that cannot set up a bridge still serves.
readonly BARE_NETWORK=(--iptables=false --ip6tables=false --bridge=none)

# `docker version` asks the server (and settles the API version with it); `docker info` alone exits 0 without one on
# some clients. The client honours DOCKER_HOST and contexts, so a rootless engine counts too.
engine_answers() {
    command -v docker >/dev/null 2>&1 && timeout 15 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

# Read from /proc: a bare Debian has no pgrep.
daemon_pid() { grep -lsx dockerd "$PROC"/[0-9]*/comm | head -n 1 | sed 's|/comm$||; s|.*/||'; }

installable_here() {
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1
}

refuse_when_not_ours_to_start() {
    if [ -n "${DOCKER_HOST:-}" ] && [ "$DOCKER_HOST" != "unix:///var/run/docker.sock" ]; then
        give_up "No Docker engine answers at DOCKER_HOST=$DOCKER_HOST: start that engine, or unset DOCKER_HOST."
    fi
    if [ -S "$SOCKET" ] && [ ! -w "$SOCKET" ]; then
        give_up "A Docker engine is here, but user '$(id -un)' has no access to it: join the group that owns $SOCKET (usually docker)."
    fi
    installable_here || give_up \
        "No Docker engine answers: install and start Docker Engine 20.10 or newer (on Debian: 'apt-get install docker.io' as root), and run this again as a user who may use it."
}

install_packages() {
    local wanted=(docker.io containerd runc iptables ca-certificates mmdebstrap)
    # Where the kernel enforces AppArmor, an engine without its parser refuses to start containers.
    if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ]; then wanted+=(apparmor); fi
    step "Debian's package lists" /tmp/swarm-apt-update.log apt-get -q update || give_up "$NO_PACKAGES"
    step "install ${wanted[*]}" /tmp/swarm-apt-install.log \
        env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${wanted[@]}" ||
        give_up "$NO_PACKAGES"
    # From Debian 13 on the client is a package of its own.
    if ! command -v docker >/dev/null 2>&1; then
        step "install docker-cli" /tmp/swarm-apt-client.log \
            env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends docker-cli ||
            give_up "$NO_PACKAGES"
    fi
}

# A pid file that a crash left behind may name a process that is something else by now, and dockerd then refuses.
forget_stale_pidfile() {
    [ -f "$PIDFILE" ] || return 0
    if [ "$(cat "$PROC/$(cat "$PIDFILE")/comm" 2>/dev/null)" != dockerd ]; then rm -f "$PIDFILE"; fi
}

# Started so that it outlives this script, its terminal and `make`; without the lock, which would else stay held.
# Sets `started` to the daemon's pid, or leaves it empty where systemd looks after it.
start_daemon() {
    forget_stale_pidfile
    if [ -d "$ROOT/run/systemd/system" ] && [ "$#" -eq 0 ]; then
        systemctl start docker
    else
        setsid dockerd "$@" >>"$LOG" 2>&1 </dev/null 9>&- &
        started=$!
    fi
}

daemon_lives() {
    if [ -n "$started" ]; then kill -0 "$started" 2>/dev/null; else [ -n "$(daemon_pid)" ]; fi
}

# Returns 0 as soon as the engine answers, 1 when the daemon ended, 3 when it still runs after the patience is over.
wait_for_answer() {
    local deadline=$((SECONDS + PATIENCE_SECONDS))
    while [ "$SECONDS" -lt "$deadline" ]; do
        if engine_answers; then return 0; fi
        daemon_lives || return 1
        sleep 0.3
    done
    return 3
}

start_and_wait() {
    start_daemon "$@" || return 1
    wait_for_answer
}

network_is_the_trouble() { tail -n 40 "$LOG" 2>/dev/null | grep -qiE 'iptables|nft|network controller|bridge'; }

start_engine() {
    local log status=0
    log=$(mktemp)
    step "start the Docker engine (log: $LOG)" "$log" start_and_wait || status=$?
    if [ "$status" -eq 1 ] && network_is_the_trouble; then
        say "The engine could not set up its network; starting it without one (sandboxes have none anyway)."
        status=0
        step "start the Docker engine with ${BARE_NETWORK[*]}" "$log" start_and_wait "${BARE_NETWORK[@]}" || status=$?
    fi
    [ "$status" -eq 0 ] || give_up "The Docker engine did not start: its log's last lines follow ($LOG)." \
        "$(tail -n 8 "$LOG" 2>/dev/null || echo 'no log: ask systemctl status docker')"
}

main() {
    started=""
    engine_answers && return 0
    refuse_when_not_ours_to_start
    mkdir -p "$(dirname "$LOCK")" "$(dirname "$LOG")"
    exec 9>"$LOCK"
    flock 9
    # Another `make` may have done it while this one waited.
    engine_answers && return 0
    if ! command -v dockerd >/dev/null 2>&1; then
        say "No Docker engine here: installing Debian's docker.io and starting it."
        install_packages
    fi
    if [ -n "$(daemon_pid)" ]; then
        step "wait for the engine that is starting (pid $(daemon_pid))" "$(mktemp)" wait_for_answer && return 0
        give_up "A dockerd runs (pid $(daemon_pid)) but does not answer: stop it, then run this again."
    fi
    engine_answers && return 0
    start_engine
}

main "$@"
