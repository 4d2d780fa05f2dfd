"""Whom a site trusts, as files in folders: nobody is overlooked."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nm import keyfolder
from nm.configgeni import Geni
from nm.errors import Invalid, NMError
from nm.geni import certificates, making
from nm.geni.making import Holder
from nm.geni.trusted import Authorities
from tests.amapi import house


@pytest.fixture
def settings(tmp_path: Path) -> Geni:
    for name in ("roots", "revoked"):
        (tmp_path / name).mkdir()
    (tmp_path / "roots" / "root.pem").write_text(making.pem(house.root().chain))
    chain, key = house.write_holder(tmp_path, house.server(), "server")
    roots, revoked = (str(tmp_path / name) for name in ("roots", "revoked"))
    return Geni(certificate=str(chain), server_key=str(key), roots=roots, revoked=revoked)


def crl(who: Holder, *serials: int) -> bytes:
    return house.crl_pem(making.revocation(who, serials, house.NOW - 60, house.NOW + house.DAY))


def revoked(authorities: Authorities) -> list[int]:
    return sorted(one.serial_number for crl in authorities.now().trust.revoked for one in crl)


def test_all_lists_of_a_file_count(settings: Geni) -> None:
    """Authorities' lists are handed around as bundles."""
    path = Path(settings.revoked) / "bundle.crl"
    path.write_bytes(crl(house.root(), 5) + b"\n# another\n" + crl(house.authority(), 6, 7))
    assert revoked(Authorities(settings)) == [5, 6, 7]


def test_a_list_that_is_cut_off_behind_a_whole_one_is_damage(settings: Geni) -> None:
    path, two = Path(settings.revoked) / "bundle.crl", crl(house.authority(), 6)
    for damaged in (two[:-40], two.replace(b"\n", b"\nA", 1), b"-----BEGIN X509 CRL-----\n"):
        path.write_bytes(crl(house.root(), 5) + damaged)
        with pytest.raises(Invalid, match="no list of revoked"):
            Authorities(settings).now()


def test_that_nobody_gets_in_is_told_once(settings: Geni, caplog: pytest.LogCaptureFixture) -> None:
    """And not for each stranger who knocks."""
    path, authorities = Path(settings.revoked) / "a.crl", Authorities(settings)
    for _ in range(2):
        path.write_bytes(b"damaged")
        for _ in range(3):
            with pytest.raises(Invalid):
                authorities.now()
        path.unlink()
        assert revoked(authorities) == []
    told = [one for one in caplog.records if one.levelname == "ERROR"]
    assert len(told) == 2 and "a.crl" in vars(told[0])["why"]


def test_no_list_is_left_out_because_there_are_many(settings: Geni, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyfolder, "MOST", 2)
    authorities = Authorities(settings)
    for number in (1, 2):
        (Path(settings.revoked) / f"{number}.crl").write_bytes(crl(house.root(), number))
    assert revoked(authorities) == [1, 2]
    (Path(settings.revoked) / "3.crl").write_bytes(crl(house.root(), 3))
    with pytest.raises(NMError, match="more than 2 files"):
        authorities.now()


def test_a_file_that_goes_just_now_takes_no_other_with_it(
    settings: Geni, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, number in (("a", 1), ("b", 2)):
        (Path(settings.revoked) / f"{name}.crl").write_bytes(crl(house.root(), number))
    authorities = Authorities(settings)
    assert revoked(authorities) == [1, 2]
    listed: Callable[[Any], list[str]] = os.listdir

    def goes(folder: Any) -> list[str]:
        found = listed(folder)
        if str(folder) == settings.revoked:
            (Path(folder) / "a.crl").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(os, "listdir", goes)
    assert revoked(authorities) == [2]
    assert certificates.urn_of(authorities.now().trust.roots[0]) == house.root().urn


def test_a_mail_address_that_nobody_can_have_is_none() -> None:
    """It would be kept with each slice that its owner makes."""
    trust = certificates.Trust(house.root().chain)
    for given, kept in (("bob@example.org", "bob@example.org"), (f"{'b' * 300}@example.org", "")):
        who = house.holder("example.org+user+bob", "person", email=given)
        assert certificates.chained(who.chain, house.NOW, trust).email == kept
