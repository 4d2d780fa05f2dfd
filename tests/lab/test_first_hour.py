"""docs/first-hour.md, followed as it is printed: a real lab, a real Open vSwitch, a real nmd.

All happens in namespaces that end with the test and take everything with them: the lab is called what the
page calls it, and nmd has its usual places. README's first hour is a part of that page.
"""

import re
import subprocess
import sys

import pytest

from nm.lab.place import SOURCE, environment, obstacle
from tests.docs.transcript import steps

SECONDS = 240
UNSHARE = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
OWN = """
mount --make-rprivate /
for folder in /run /srv /var/log; do mount -t tmpfs -o mode=755 tmpfs $folder; done
mkdir /var/log/libvirt /var/log/openvswitch /run/netns
mount -t sysfs sysfs /sys
ip link set lo up
exec "$@"
"""


def page() -> str:
    return (SOURCE / "docs" / "first-hour.md").read_text(encoding="utf-8")


@pytest.mark.real
@pytest.mark.timeout(SECONDS)
def test_a_first_hour_goes_as_printed() -> None:
    if (why := obstacle()) is not None:
        pytest.skip(str(why))
    ran = subprocess.run(
        [*UNSHARE, "sh", "-ec", OWN, "sh", sys.executable, "-m", "tests.lab.first_hour"],
        cwd=SOURCE, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr[-3000:]


def test_readme_shows_commands_of_that_page() -> None:
    readme = (SOURCE / "README.md").read_text(encoding="utf-8")
    section = readme.partition("\n## A first hour\n")[2].partition("\n## ")[0]
    shown = re.findall(r"^    \.venv/bin/(nmctl .*?)(?: +#.*)?$", section, re.MULTILINE)
    followed = iter([step.command for step in steps(page())])
    assert shown and all(command in followed for command in shown)  # each behind the one before
