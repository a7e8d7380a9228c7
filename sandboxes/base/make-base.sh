#!/usr/bin/env bash
# Writes the root file system of the Debian base image as a tar file: make-base.sh TARGET.tar
# For machines that reach Debian's packages but no image registry. Mirrors and proxies are the host's own, read from
# its apt configuration; nothing of them stays in the image. Exit 2: what to do is on stderr.
# shellcheck disable=SC2016  # apt and mmdebstrap fill in what stands in single quotes
set -euo pipefail

readonly SUITE=bookworm
readonly PACKAGES=git,python3,python3-pip,python3-venv,ripgrep,ca-certificates
readonly KEYS=/usr/share/keyrings/debian-archive-keyring.gpg
readonly TARGET=${1:?usage: make-base.sh TARGET.tar}

give_up() {
    echo "$1" >&2
    exit 2
}

ensure_mmdebstrap() {
    command -v mmdebstrap >/dev/null 2>&1 && return 0
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
        apt-get -q update
        DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends mmdebstrap
        return 0
    fi
    give_up "mmdebstrap is missing: install it (on Debian: 'apt-get install mmdebstrap' as root)."
}

# One line per package source of this Debian host, moved to SUITE: a newer Debian has other Pythons. Prints nothing on
# other systems, and mmdebstrap then takes its built-in mirror.
host_sources() {
    local id codename
    id=$(. /etc/os-release && echo "${ID:-}")
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    [ "$id" = debian ] && [ -n "$codename" ] || return 0
    apt-get indextargets --format '$(REPO_URI)|$(RELEASE)|$(COMPONENT)' 'Created-By: Packages' |
        sort -u | while IFS='|' read -r uri release component; do
        case "$release" in
            "$codename" | "$codename-updates" | "$codename-security") ;;
            *) continue ;;
        esac
        [ "$component" = main ] || continue
        echo "deb $uri ${release/$codename/$SUITE} main"
    done
}

main() {
    ensure_mmdebstrap
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    host_sources >"$work/sources.list"
    apt-config dump | grep -E '^Acquire::(http|https|Retries|ForceIPv)' >"$work/apt.conf" || true
    local from=() keyring=()
    if [ -s "$work/sources.list" ]; then from=("$work/sources.list"); fi
    if [ -f "$KEYS" ]; then keyring=(--keyring="$KEYS"); fi
    # The proxy, the mirror and the package lists of this host have no business in a sandbox.
    mmdebstrap --variant=minbase --include="$PACKAGES" --aptopt="$work/apt.conf" "${keyring[@]}" \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        --customize-hook='rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/apt/sources.list" "$1/etc/apt/sources.list.d/"*' \
        --customize-hook='rm -f "$1/etc/resolv.conf" "$1/etc/hostname"' \
        "$SUITE" "$TARGET" "${from[@]}"
}

main
