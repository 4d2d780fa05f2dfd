#!/usr/bin/env bash
# Makes this machine ready for nm: Debian packages, and the Python environment .venv.
#
# Called by `make setup`, which every other target needs; quick when there is nothing to do.
# Lists the packages that are missing and asks before it installs them:
#   YES=1 (or CI=true)  does not ask
#   --dry-run           says what would be done, and changes nothing
# Services that come with new packages are neither started now nor at the next boot.
# PYTHON names the interpreter (python3).
set -euo pipefail
cd "$(dirname "$0")/.."

list=scripts/debian-packages.txt
venv=.venv
stamp=$venv/.setup-done
policy=/usr/sbin/policy-rc.d
saved=$policy.before-nm
mark="# Made by nm's set-up, for as long as it installs packages."
dry_run=no

say() { printf 'set-up: %s\n' "$*"; }

die() {
    printf 'set-up: %s\n' "$*" >&2
    exit 1
}

# Runs a command with its output kept away, and shows that when the command fails.
quietly() {
    local output
    if ! output=$("$@" 2>&1 </dev/null); then
        printf '%s\n' "$output" >&2
        die "failed: $*"
    fi
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

can_be_root() { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; }

# ---- Debian packages

# The packages of that kind in the list which are not installed.
missing() {
    local kind package
    while read -r kind package _; do
        [ "$kind" = "$1" ] || continue
        [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null)" = "ii " ] || echo "$package"
    done <"$list"
}

reason() { sed -nE "s/^[a-z]+ +$1 +(.*)/\1/p" "$list"; }

# Only the units of a running systemd can start by themselves.
enabled_units() {
    [ -d /run/systemd/system ] || return 0
    systemctl list-unit-files --state=enabled --no-legend --plain | cut -d' ' -f1 | sort
}

# Debian asks this file whether a package may start its service.
forbid_starts() {
    if [ -e "$policy" ] || [ -L "$policy" ]; then as_root mv "$policy" "$saved"; fi
    printf '#!/bin/sh\n%s\nexit 101\n' "$mark" | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
}

# Puts back what was there.
restore_starts() {
    if [ -f "$policy" ] && grep -qxF "$mark" "$policy"; then as_root rm -f "$policy"; fi
    if [ -e "$saved" ] || [ -L "$saved" ]; then as_root mv "$saved" "$policy"; fi
}

# Mends what an earlier run left behind that was killed; until then no service could be started by a package.
mend_starts() {
    local left=no
    if [ -f "$policy" ] && grep -qxF "$mark" "$policy"; then left=yes; fi
    if [ -e "$saved" ] || [ -L "$saved" ]; then left=yes; fi
    [ $left = yes ] || return 0
    if [ "$dry_run" = yes ]; then
        say "would restore $policy, as a run that was killed left it behind"
    elif can_be_root; then
        restore_starts
        say "restored $policy, as a run that was killed left it behind"
    else
        say "only root can restore $policy, as a run that was killed left it behind"
    fi
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends --no-remove -o DPkg::Lock::Timeout=300 "$@"
}

install_packages() {
    local before unit
    before=$(enabled_units)
    trap restore_starts EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    forbid_starts
    say "installing (some minutes, the first time)"
    # A fresh machine has no lists of packages yet, and an old one has old lists.
    if ! apt_install "$@" >/dev/null 2>&1 </dev/null; then
        quietly as_root apt-get update
        quietly apt_install "$@"
    fi
    comm -13 <(echo "$before") <(enabled_units) | while read -r unit; do
        quietly as_root systemctl disable "$unit"
        say "left disabled, as it was not there before: $unit"
    done
    restore_starts
    trap - EXIT INT TERM HUP
}

# The answer of the one who runs this; silence is none.
agreed() {
    local answer
    if [ "${YES:-}" = 1 ] || [ "${CI:-}" = true ]; then return 0; fi
    [ -t 0 ] || die "nothing was installed, for there is nobody to ask. To agree: YES=1 make setup"
    read -rp "Install them? [y/N] " answer
    [[ $answer =~ ^[yY] ]]
}

packages() {
    local build real package
    if ! command -v dpkg-query >/dev/null; then
        say "this is not Debian; nm needs the like of the packages in $list"
        return
    fi
    mapfile -t build < <(missing build)
    mapfile -t real < <(missing real)
    [ $((${#build[@]} + ${#real[@]})) -gt 0 ] || return 0
    say "these Debian packages are missing:"
    for package in "${build[@]}" "${real[@]}"; do
        printf '  %-22s %s\n' "$package" "$(reason "$package")"
    done
    [ "$dry_run" = no ] || return 0
    if ! can_be_root; then
        say "only root can install them: apt-get install --no-install-recommends ${build[*]} ${real[*]}"
    elif agreed; then
        install_packages "${build[@]}" "${real[@]}"
        return
    fi
    [ ${#build[@]} = 0 ] || die "cannot go on without: ${build[*]}"
    say "going on without real parts; what needs them will say so"
}

# ---- Python

suits() {
    "$1" - 2>/dev/null <<'END'
import os, sys, sysconfig
header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
sys.exit(not (sys.version_info >= (3, 11) and os.path.exists(header)))
END
}

# The interpreter that was named; else Debian's, which every account may run; else the first there is. It
# needs its headers, for the libvirt bindings.
interpreter() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} /usr/bin/python3 python3; do
        if suits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    die "no Python of at least 3.11 with its headers. To name one: PYTHON=/path/to/python3 make setup"
}

# Changes with whatever decides what is in the environment.
wanted() { cat pyproject.toml setup.py scripts/setup.sh | sha256sum; }

environment() {
    local python
    if "$venv/bin/python" -c '' 2>/dev/null; then
        [ "$(cat "$stamp" 2>/dev/null)" != "$(wanted)" ] || return 0
    elif [ "$dry_run" = no ]; then
        python=$(interpreter)
        say "making $venv with $python"
        quietly "$python" -m venv --clear "$venv"
    fi
    if [ "$dry_run" = yes ]; then
        say "would install nm and its tools into $venv"
        return
    fi
    say "installing nm and its tools into $venv (a minute, the first time)"
    quietly "$venv/bin/python" -m pip install --disable-pip-version-check --editable '.[dev]'
    wanted >"$stamp"
    say "done"
}

case "${1:-}" in
    "") ;;
    --dry-run) dry_run=yes ;;
    *) die "unknown option $1; there is --dry-run" ;;
esac
# Only one at a time, whoever else runs make here.
exec 9<"$list"
flock 9
mend_starts
packages
environment
