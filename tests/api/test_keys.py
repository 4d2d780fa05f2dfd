"""Which public keys are taken: what ssh-keygen makes, whole and of the type it says."""

import shutil
import subprocess
from pathlib import Path

import pytest

from nm.errors import Invalid
from nm.keys import parse_keys

ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIHG9PQ9B8t1vHzn9pYc0R0nGzqXhUjBq0jXo3aJfY1xL"


def test_a_key_stays_as_it_is() -> None:
    keys = [f"ssh-ed25519 {ED25519} alice", f"ssh-ed25519 {ED25519}", f"ssh-ed25519 {ED25519} two words"]
    assert parse_keys([*keys, f"  {keys[0]}\n"]) == [*keys, keys[0]]
    assert parse_keys([]) == []


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is missing")
@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_what_ssh_keygen_makes(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(file)], check=True, timeout=50)
    line = file.with_suffix(".pub").read_text().strip()
    assert parse_keys([line]) == [line]


@pytest.mark.parametrize(
    "key",
    [
        "", "ssh-ed25519", "hello", "ssh-ed25519 hello", f"ssh-rsa {ED25519}", ED25519, f"dsa {ED25519}",
        f"ssh-ed25519 {ED25519[:-4]}", f"ssh-ed25519 {ED25519[:-1]}", f"ssh-ed25519 {ED25519}AAAA",
        f"ssh-ed25519 {ED25519[:20]}", f"ssh-ed25519 !{ED25519}",
        f"ssh-ed25519 {ED25519[:24]} {ED25519[24:]}",
        f"ssh-ed25519 {ED25519}\nssh-ed25519 {ED25519}", f'command="id" ssh-ed25519 {ED25519}',
        f"ssh-ed25519 {ED25519} {'x' * 20_000}", "ssh-ed25519 ü", "ssh-ü AAAA", "ssh-ed25519 AAAA",
    ],
)  # fmt: skip
def test_what_is_no_key(key: str) -> None:
    with pytest.raises(Invalid) as raised:
        parse_keys([key])
    assert raised.value.hint and len(str(raised.value)) < 300


def test_what_is_no_list_of_keys() -> None:
    for wrong in (None, "ssh-ed25519", [1], {"a": 1}):
        with pytest.raises(Invalid):
            parse_keys(wrong)
