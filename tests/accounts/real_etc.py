"""Run in a mount namespace of its own whose /etc is a copy: an account's life without --prefix."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

from nm.accounts import AccountsHand
from nm.errors import DeviceFailed
from nm.facts import Order
from nm.unixaccounts import Places, System

KEY = "ssh-ed25519 AAAAC3Nz alice"


def as_account(*words: str) -> int:
    account = pwd.getpwnam("nm-test")
    drop = ["setpriv", "--reuid", str(account.pw_uid), "--regid", str(account.pw_gid), "--clear-groups"]
    return subprocess.run([*drop, *words], capture_output=True, check=False).returncode


def main(homes: str, uid: int) -> None:
    os.umask(0o077)  # as the service has it
    record = {
        "account": "nm-test", "name": "nm-test", "type": "delegate", "uid": uid, "id": 1, "keys": [KEY],
        "before": [], "destroying": False,
    }  # fmt: skip
    hand = AccountsHand(
        System(Places(homes=homes, shell="/bin/false", first_uid=uid, last_uid=uid)), {"nm-test": record}.get
    )
    value = {"uid": uid, "id": 1}
    assert hand.run([Order("account/nm-test", value)], 1)[0].seen == value
    account = pwd.getpwnam("nm-test")
    assert (account.pw_uid, account.pw_gid, account.pw_shell) == (uid, uid, "/bin/false")
    assert os.getgrouplist("nm-test", account.pw_gid) == [account.pw_gid]
    file = Path(account.pw_dir) / ".ssh/authorized_keys"
    assert as_account("grep", "-q", "^restrict,", str(file)) == 0  # sshd reads it as the account
    for words in (
        ("touch", f"{account.pw_dir}/x"),
        ("sh", "-c", f"echo x >> {file}"),
        ("rm", "-f", str(file)),
    ):
        assert as_account(*words) != 0, words
    record["destroying"] = True
    busy = Path(account.pw_dir) / "busy"
    busy.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", str(busy)], check=True)
    error = hand.run([Order("account/nm-test", None, value)], 1)[0].error
    assert isinstance(error, DeviceFailed) and error.passing and "busy" in str(error), error
    subprocess.run(["umount", str(busy)], check=True)
    assert hand.run([Order("account/nm-test", None, value)], 1)[0].seen is None
    assert not Path(account.pw_dir).exists()
    assert "nm-test" not in [entry.pw_name for entry in pwd.getpwall()]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
