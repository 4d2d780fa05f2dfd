"""The keys of guests: made of one secret, the same each time, and no two alike."""

from dataclasses import replace
from pathlib import Path

from nm.guestkeys import FILE, Guest, GuestKeys
from tests.accounts.keyfiles import public_of

GUEST = Guest("princeton_codeen", 7, 1)


def test_a_guest_keeps_its_keys_and_shares_them_with_nobody(tmp_path: Path) -> None:
    one, again = GuestKeys(tmp_path), GuestKeys(tmp_path)
    assert one.entry_public(GUEST) == again.entry_public(GUEST)
    others = [replace(GUEST, life=2), replace(GUEST, incarnation=8), replace(GUEST, account="web")]
    keys = [
        made(guest).split()[1] for guest in (GUEST, *others) for made in (one.entry_public, one.host_public)
    ]
    assert len(set(keys)) == 8
    assert ((tmp_path / FILE).stat().st_mode & 0o777) == 0o600


def test_both_halves_of_a_pair_belong_together(tmp_path: Path) -> None:
    keys = GuestKeys(tmp_path)
    assert public_of(keys.entry_private(GUEST), tmp_path) == keys.entry_public(GUEST).split()[1]
    assert public_of(keys.host_private(GUEST), tmp_path) == keys.host_public(GUEST).split()[1]
