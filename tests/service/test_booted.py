"""The service in a booted system, with the programs of the environment that runs the tests."""

import os
import sys
from pathlib import Path

import pytest

from tests.project.tree import ROOT
from tests.service import booted

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(bool(booted.missing()), reason=booted.missing()),
]

PROGRAM = """#!/bin/sh
PYTHONPATH=/opt/nm exec /opt/venv/bin/python -P -m {module} "$@"
"""
SCRIPT = """
install -m 755 nmd /usr/sbin/nmd
install -m 755 nmctl /usr/bin/nmctl
install -m 644 /opt/nm/packaging/nmd.service /etc/systemd/system/
systemd-sysusers /opt/nm/packaging/sysusers.conf
systemd-tmpfiles --create /opt/nm/packaging/tmpfiles.conf
printf '[accounts]\nshell = "/bin/true"\n' >/etc/nm/nm.toml
main_pid() { systemctl show --property=MainPID --value nmd; }
systemctl start nmd
nmctl vlan register 101
useradd --groups nm-admin alice
setpriv --reuid=alice --regid=alice --init-groups /opt/venv/bin/python -c '
import xmlrpc.client
nm = xmlrpc.client.ServerProxy("http://localhost:812")
print(nm.WhoAmI(), nm.RegisterVlan(102, {}))'
nmctl delegate create web --wait
getent passwd web | grep ':/bin/true$'
nmctl delegate destroy web --wait
[ -z "$(getent passwd web; ls /var/lib/nm-homes)" ]
old=$(main_pid)
kill -9 "$old"
for _ in $(seq 200); do
    [ "$(main_pid)" != "$old" ] && systemctl is-active --quiet nmd && break
    sleep 0.1
done
[ "$(main_pid)" != "$old" ]
nmctl --json vlan list | grep '"id": 101.*"id": 102'
systemctl reload nmd
systemctl stop nmd
[ "$(systemctl show --property=Result --value nmd)" = success ]
test -f /var/lib/nm/database.pickle
journalctl --no-pager --unit=nmd | grep 'text="stopped" drained=True'
"""


def test_the_service_comes_back_with_its_data(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    for name, module in (("nmd", "nm.daemon"), ("nmctl", "nm.shell.main")):
        (tmp_path / "shared" / name).write_text(PROGRAM.format(module=module))
    told = booted.boot(tmp_path, SCRIPT, f"{ROOT}:/opt/nm", f"{os.path.abspath(sys.prefix)}:/opt/venv")
    assert "'name': 'alice', 'uid': 1" in told
    assert "'rights': ['admin']" in told
