#!/usr/bin/env bash
# Installs nm: programs and their private Python environment, the login shells of accounts, who may enter slivers, the
# service, manual pages, completion.
#
# Called by `make install`, and by the build of the Debian package.
#   PREFIX   where programs go (/usr/local)
#   DESTDIR  a folder that stands for / (none)
#   PYTHON   the interpreter that nm shall run with (/usr/bin/python3)
#   TOOLS    a Python that has pip and nm's own dependencies (.venv's)
# A configuration that is there stays as it is. Nothing is started.
#
# Why an environment of its own: Debian 12's versions of httptools, pyroute2 and rich are too old for nm, and packages that
# are installed beside Debian's own would change other programs.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022 # everybody uses it, whoever installs
unset PYTHONPATH PYTHONHOME # what lies there would count as installed already

prefix=${PREFIX:-/usr/local}
root=${DESTDIR:-}
interpreter=${PYTHON:-/usr/bin/python3}
tools=${TOOLS:-.venv/bin/python}
home=$prefix/lib/nm
work=build/install

put() { # MODE FILE PLACE
    install -D -m "$1" "$2" "$root$3"
}

make_environment() {
    rm -rf "$work" build/lib # setuptools would keep modules there that are no more
    mkdir -p "$work"
    "$interpreter" -m venv --without-pip "$work/nm"
    # pip's own remarks are of no use here; when it fails, they are.
    "$tools" -m pip --quiet --disable-pip-version-check --python "$work/nm/bin/python" \
        install --no-compile --no-warn-script-location . 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
    # What is left in bin but python: programs that name this folder, and not the one it will be in.
    find "$work/nm/bin" -type f -delete
    rm -rf "$work/nm/include"
    find "$work/nm" \( -name direct_url.json -o -name .DS_Store \) -delete
    find "$work/nm" -name '*.textfsm' -exec chmod a-x {} + # templates that were packed as programs
    sed -i '/^command = /d' "$work/nm/pyvenv.cfg"
    "$interpreter" -m compileall -q -s "$work/nm" -p "$home" "$work/nm/lib"
}

# A daemon that runs goes on with the old one until it is started anew.
put_environment() {
    mkdir -p "$root$prefix/lib"
    rm -rf "$root$home.new"
    cp -a --no-preserve=ownership "$work/nm" "$root$home.new"
    rm -rf "$root$home"
    mv "$root$home.new" "$root$home"
}

# Beside nm's own Python, where nm looks for it; it comes and goes with the rest.
make_login_shells() {
    make --silent -C forward_api_calls BUILD="$PWD/$work/forward" DESTDIR="$PWD/$work" PLACE=/nm \
        ENTER="$home/nm-enter" install
}

program() { # NAME MODULE PLACE [FUNCTION]
    local function="${4:-main}"
    printf '#!%s -I\nimport sys\n\nfrom %s import %s\n\nsys.exit(%s())\n' \
        "$home/bin/python" "$2" "$function" "$function" >"$work/$1"
    put 755 "$work/$1" "$3/$1"
}

# Who may run nm-enter as root. A rule that sudo would not take would lock out all who use sudo.
sudo_rule() {
    sed "s|/usr/lib/nm/nm-enter|$home/nm-enter|" packaging/sudoers >"$work/sudoers"
    if command -v visudo >/dev/null; then visudo -c -q -f "$work/sudoers"; fi
    put 440 "$work/sudoers" /etc/sudoers.d/nm
}

# The service with its programs where they are.
service() {
    sed "s|/usr/sbin/nmd|$prefix/sbin/nmd|" packaging/nmd.service >"$work/nmd.service"
    put 644 "$work/nmd.service" "$prefix/lib/systemd/system/nmd.service"
    put 644 packaging/sysusers.conf "$prefix/lib/sysusers.d/nm.conf"
    put 644 packaging/tmpfiles.conf "$prefix/lib/tmpfiles.d/nm.conf"
}

# Every key with its default, none of them set, so that a later version may have better defaults.
configuration() {
    [ ! -e "$root/etc/nm/nm.toml" ] || return 0
    "$tools" -m nm.config | sed -E 's/^([a-z0-9_]+ = )/#\1/' >"$work/nm.toml"
    put 644 "$work/nm.toml" /etc/nm/nm.toml
}

manuals() {
    local page
    for page in nmctl.1 nm-ticket.1 nm.toml.5 nmd.8 forward_api_calls.8; do
        "$tools" -m nm.manual "$page" >"$work/$page"
        put 644 "$work/$page" "$prefix/share/man/man${page##*.}/$page"
    done
    for page in sfStart sfTerminate sfDetachAndTerminate sfParse sfRun; do # each is one of nmctl's commands
        echo ".so man1/nmctl.1" >"$work/$page.1"
        put 644 "$work/$page.1" "$prefix/share/man/man1/$page.1"
    done
    "$tools" -m nm.shell.completion >"$work/nmctl.bash"
    put 644 "$work/nmctl.bash" "$prefix/share/bash-completion/completions/nmctl"
}

make_environment
make_login_shells
put_environment
program nmd nm.daemon "$prefix/sbin"
program nmctl nm.shell.main "$prefix/bin"
program nm-enter nm.enter "$home"
sudo_rule
program nm-ticket nm.ticketmaker "$prefix/bin"
program sfStart nm.shell.smartfrog "$prefix/bin" start
program sfTerminate nm.shell.smartfrog "$prefix/bin" terminate
program sfDetachAndTerminate nm.shell.smartfrog "$prefix/bin" detach_and_terminate
program sfParse nm.shell.smartfrog "$prefix/bin" parse
program sfRun nm.shell.smartfrog "$prefix/bin" run
service
manuals
configuration
[ -n "$root" ] || echo "installed; next: systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload" \
    "&& systemctl enable --now nmd"
