"""The clearing house: what it makes is good by the aggregate's own rules, and nothing of it gets lost."""

import json
import os
import ssl
import stat
import threading
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding

from nm.clearing import files, identity, trust, wallet
from nm.clearing.house import SLICE_LIFE, USER_LIFE, House
from nm.clearing.identity import DAY, Life
from nm.errors import Conflict, Denied, Invalid, NMError, NotFound
from nm.geni import authorisation, certificates, making
from nm.geni.authorisation import Grant
from nm.geni.certificates import Trust
from nm.geni.privileges import NEEDED
from nm.geni.urns import AUTHORITY as AUTHORITY_TYPE
from nm.geni.urns import Urn

AUTHORITY = "lab.example"
SLICE = "urn:publicid:IDN+lab.example+slice+demo"


def trusted(house: House) -> Trust:
    """Whom an aggregate trusts that reads these folders."""
    lists = [(path.name, path.read_bytes()) for path in files.listed(house.folder / trust.REVOKED, ".pem")]
    roots = tuple(root.certificate for root in trust.roots(house.folder))
    return Trust(roots, certificates.revocations(lists))


def granted(house: House, text: str, user: str = "alice", method: str = "Allocate") -> Grant:
    chain = [one.public_bytes(Encoding.DER) for one in identity.chain_of(house.wallet(user).identity)]
    struct = {"geni_type": "geni_sfa", "geni_version": "3", "geni_value": text}
    target = None if method == "ListResources" else SLICE
    return authorisation.authorised([struct], chain, target, method, time.time(), trusted(house))


def credential(house: House, user: str = "alice", until: float | None = None, **rights: bool) -> str:
    chain = identity.chain_of(house.wallet(user).identity)
    return house.credential(chain, "demo", until, rights)[0]


# ---- what is made


def test_a_slice_credential_grants_all_of_a_slice_and_a_users_the_listing(house: House) -> None:
    text = credential(house)
    for method in set(NEEDED) - {"ListResources"}:
        assert str(granted(house, text, method=method).owner.urn) == "urn:publicid:IDN+lab.example+user+alice"
    own = house.wallet("alice").user_credential.read_text()
    assert granted(house, own, method="ListResources").owner.email == "alice@example.org"
    with pytest.raises(Denied):
        granted(house, own)


def test_a_credential_of_some_rights_grants_no_more(house: House) -> None:
    text = credential(house, info=True)
    with pytest.raises(Denied, match="does not grant Allocate"):
        granted(house, text)


def test_a_credential_ends_with_the_slice_or_before(house: House) -> None:
    end = identity.chain_of(house.slice_file("demo"))[0].not_valid_after_utc.timestamp()
    assert granted(house, credential(house)).expires == end
    soon = float(int(time.time()) + 600)
    assert granted(house, credential(house, until=soon)).expires == soon
    for wrong in (end + 60, time.time() - 60):
        with pytest.raises(Invalid, match="is no end"):
            credential(house, until=wrong)


def test_the_server_is_called_by_its_names_and_addresses(house: House) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(house.folder / "server.pem", house.folder / "server.key")
    names = certificates.chained(identity.chain_of(house.folder / "server.pem"), time.time(), trusted(house))
    assert str(names.urn) == "urn:publicid:IDN+lab.example+authority+am"


def test_keys_are_for_their_owners_only(house: House) -> None:
    for path in house.folder.rglob("*"):
        if path.is_file() and b"PRIVATE KEY" in path.read_bytes():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    for folder in (house.folder, house.wallet("alice").folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-x", "a" * 65, "ä", "a b"])
def test_a_user_is_not_called_so(house: House, name: str) -> None:
    with pytest.raises(Invalid, match="no user's name"):
        house.user(name, Life.of(DAY))


@pytest.mark.parametrize("name", ["", "a" * 20, "a_b", "-x", "a/b", "a.b"])
def test_a_slice_is_not_called_so(house: House, name: str) -> None:
    with pytest.raises(Invalid, match="no slice's name"):
        house.slice(name, Life.of(DAY))


@pytest.mark.parametrize("name", ["", "a b", "-x", "a+b", "a::b", "ä"])
def test_an_authority_is_not_called_so(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid, match="no authority's name"):
        House(tmp_path / "new").found(name, ["localhost"])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["", "ä", "a b", "10.0.0.0/8", "-"])
def test_a_server_is_not_called_so(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid, match="no host's name or address"):
        House(tmp_path / "new").found(AUTHORITY, ["localhost", name])
    assert not (tmp_path / "new").exists()


def test_a_mail_address_and_privileges_are_looked_at(house: House) -> None:
    with pytest.raises(Invalid, match="no mail address"):
        house.user("bob", Life.of(DAY), "not an address")
    with pytest.raises(Invalid, match=r"no privilege cotrol.*control"):
        credential(house, info=True, cotrol=True)
    with pytest.raises(Denied, match="does not grant Shutdown"):
        granted(house, credential(house, control=True), method="Shutdown")
    assert not house.wallet("bob").identity.exists()


def test_slices_have_no_case(house: House) -> None:
    with pytest.raises(Conflict, match="there is a slice DEMO already"):
        house.slice("DEMO", Life.of(DAY))


# ---- renewing


def test_a_renewed_slice_lasts_longer_and_stays_the_same(house: House) -> None:
    before = credential(house)
    urn, ends = house.slice("demo", Life.of(2 * SLICE_LIFE), renew=True)
    assert str(urn) == SLICE and ends > time.time() + SLICE_LIFE
    assert granted(house, credential(house)).expires == ends
    granted(house, before)


def test_a_renewed_user_keeps_the_key_unless_it_was_revoked(house: House) -> None:
    path = house.wallet("alice").identity
    first = identity.load(path)
    house.user("alice", Life.of(2 * USER_LIFE), renew=True)
    second = identity.load(path)
    assert second.key.public_key() == first.key.public_key() and second.chain != first.chain
    house.revoke(second.chain)
    house.user("alice", Life.of(USER_LIFE), renew=True)
    assert identity.load(path).key.public_key() != first.key.public_key()
    granted(house, credential(house))


def test_what_is_there_is_not_made_anew_unasked_and_what_is_not_is_not_renewed(
    house: House,
) -> None:
    held = {path: path.read_bytes() for path in house.folder.rglob("*") if path.is_file()}
    with pytest.raises(Conflict):
        house.user("alice", Life.of(DAY))
    with pytest.raises(Conflict):
        house.slice("demo", Life.of(DAY))
    with pytest.raises(NotFound):
        house.user("bob", Life.of(DAY), renew=True)
    with pytest.raises(NotFound):
        house.slice("other", Life.of(DAY), renew=True)
    assert house.found(AUTHORITY, ["localhost"]) == []
    assert held == {path: path.read_bytes() for path in house.folder.rglob("*") if path.is_file()}


def test_a_renewed_server_has_other_names_and_the_same_key(house: House) -> None:
    before = identity.load(house.folder / "server.pem", house.folder / "server.key")
    assert house.found(AUTHORITY, ["am.lab.example"], renew=True) == [house.folder / "server.pem"]
    after = identity.load(house.folder / "server.pem", house.folder / "server.key")
    assert after.key.public_key() == before.key.public_key() and after.chain != before.chain


def test_nothing_outlives_the_authority(house: House) -> None:
    with pytest.raises(Invalid, match="last longer than the authority"):
        house.slice("other", Life.of(10_000 * DAY))


# ---- what is lost or damaged


@pytest.mark.parametrize("lost", ["authority.pem", "server.key"])
def test_a_lost_key_is_not_replaced_by_another(house: House, lost: str) -> None:
    (house.folder / lost).unlink()
    with pytest.raises(Conflict, match="is lost"):
        house.found(AUTHORITY, ["localhost"])
    assert not (house.folder / lost).exists()


@pytest.mark.parametrize("name", ["authority.pem", "server.pem", "server.key"])
@pytest.mark.parametrize("cut", [0, 100, -60])
def test_a_half_file_is_told_and_left_alone(house: House, name: str, cut: int) -> None:
    path = house.folder / name
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    with pytest.raises(NMError, match="damaged"):
        house.found(AUTHORITY, ["localhost"], renew=True)
    assert path.read_bytes() == whole[:cut]


def test_what_was_not_made_before_a_crash_is_made_by_the_next_run(house: House) -> None:
    for path in (house.folder / "server.pem", *(house.folder / "roots").iterdir()):
        held = path.read_bytes()
        path.unlink()
        assert house.found(AUTHORITY, ["localhost"]) == [path]
        assert (path.read_bytes() == held) == (path.name != "server.pem")
    made = house.wallet("alice")
    made.identity.unlink()
    house.user("alice", Life.of(DAY))
    assert identity.load(made.identity).urn.name == "alice"


def test_a_user_of_whom_not_everything_could_be_written_is_made_by_the_next_run(house: House) -> None:
    made = house.wallet("half")
    made.user_credential.mkdir(parents=True)  # in the way of a file
    with pytest.raises(NMError):
        house.user("half", Life.of(DAY))
    made.user_credential.rmdir()
    house.user("half", Life.of(DAY))
    assert identity.load(made.identity).urn.name == "half"
    assert made.roots.exists() and made.user_credential.exists()


def test_a_damaged_list_of_revoked_certificates_is_not_forgotten(house: House) -> None:
    house.revoke(identity.chain_of(house.wallet("alice").identity))
    (path,) = files.listed(house.folder / trust.REVOKED, ".pem")
    path.write_bytes(path.read_bytes()[:-80])
    house.user("bob", Life.of(DAY))
    with pytest.raises(Invalid, match="no list of revoked"):
        house.revoke(identity.chain_of(house.wallet("bob").identity))


def test_a_house_is_one_authoritys(house: House) -> None:
    with pytest.raises(Conflict, match=r"lab\.example"):
        house.found("other.example", ["localhost"])


# ---- who counts no more


def test_a_revoked_user_is_refused_and_another_is_not(house: House) -> None:
    text = credential(house)
    house.user("bob", Life.of(DAY))
    assert house.revoke(identity.chain_of(house.wallet("alice").identity))
    assert not house.revoke(identity.chain_of(house.wallet("alice").identity))
    with pytest.raises(Denied, match="revoked"):
        granted(house, text)
    granted(house, credential(house, "bob"), "bob")
    assert [(one["name"], one["revoked"]) for one in house.members()] == [
        ("alice", True),
        ("bob", False),
        ("demo", False),
    ]


def test_nothing_is_given_to_who_was_revoked(house: House) -> None:
    """It would not count; only a new certificate would."""
    house.revoke(identity.chain_of(house.wallet("alice").identity))
    with pytest.raises(Conflict, match=r"user\+alice is revoked.*--renew"):
        credential(house)


def test_two_that_are_revoked_at_once_are_both_revoked(house: House) -> None:
    chains = [identity.chain_of(house.wallet("alice").identity), identity.chain_of(house.slice_file("demo"))]
    threads = [threading.Thread(target=house.revoke, args=(chain,)) for chain in chains]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(one["revoked"] for one in house.members())


def test_only_what_the_house_made_is_revoked(house: House, tmp_path: Path) -> None:
    other = House(tmp_path / "other")
    other.found("other.example", ["localhost"])
    for chain in (identity.chain_of(other.folder / "server.pem"), house.holder().chain):
        with pytest.raises(Invalid, match="is not by"):
            house.revoke(chain)


# ---- whom to trust


def test_users_of_another_house_come_in_while_it_is_trusted(house: House, tmp_path: Path) -> None:
    other = House(tmp_path / "other")
    other.found("other.example", ["localhost"])
    made = other.user("carol", Life.of(DAY))
    chain = identity.chain_of(made.identity)
    text, _ = house.credential(chain, "demo", None)
    der = [one.public_bytes(Encoding.DER) for one in chain]
    struct = {"geni_type": "geni_sfa", "geni_version": "3", "geni_value": text}

    def asks() -> Grant:
        return authorisation.authorised([struct], der, SLICE, "Status", time.time(), trusted(house))

    with pytest.raises(Denied, match="nobody whom this site trusts"):
        asks()
    assert [str(root.urn) for root in trust.trust(house.folder, made.roots)] == [
        "urn:publicid:IDN+other.example+authority+ca"
    ]
    assert trust.trust(house.folder, made.roots) == []
    assert asks().owner.urn.name == "carol"
    trust.untrust(house.folder, "other.example")
    with pytest.raises(Denied):
        asks()
    with pytest.raises(NotFound, match=r"no root other\.example"):
        trust.untrust(house.folder, "other.example")


def test_a_root_whose_key_would_not_count_is_not_trusted(house: House, tmp_path: Path) -> None:
    urn = Urn("weak.example", AUTHORITY_TYPE, "ca")
    key, life = generate_private_key(65537, 1024), Life.of(DAY)
    weak = making.root(identity.subject(urn, key.public_key(), life, issues=True), key)
    (tmp_path / "weak.pem").write_text(making.pem(weak.chain))
    with pytest.raises(Invalid, match=r"weak.pem holds no root.*too weak"):
        trust.trust(house.folder, tmp_path / "weak.pem")


def test_no_key_and_no_leaf_becomes_a_root(house: House) -> None:
    with pytest.raises(Invalid, match="private key"):
        trust.trust(house.folder, house.folder / "authority.pem")
    with pytest.raises(Invalid, match=r"no authority|no root"):
        trust.trust(house.folder, house.slice_file("demo"))
    assert len(os.listdir(house.folder / "roots")) == 1


# ---- wallets


def test_a_slices_credential_is_found_by_its_name_or_urn_and_by_no_other(house: House) -> None:
    mine = house.wallet("alice")
    files.create(mine.slice_credential("demo"), credential(house).encode())
    for name in ("demo", "Demo", SLICE):
        assert str(wallet.for_slice(mine, name, None).target) == SLICE
    for name in ("other", "../alice/demo", "urn:publicid:IDN+lab.example+slice+other"):
        with pytest.raises(NotFound, match="no credential for slice"):
            wallet.for_slice(mine, name, None)
    for name in ("other", "urn:publicid:IDN+else+slice+demo"):
        with pytest.raises(Conflict, match="the credential is for"):
            wallet.for_slice(mine, name, mine.slice_credential("demo"))


def test_a_credential_may_be_in_the_struct_in_which_omni_keeps_it(house: House, tmp_path: Path) -> None:
    text = credential(house)
    path = tmp_path / "demo-cred.json"
    path.write_text(json.dumps({"geni_type": "geni_sfa", "geni_version": "3", "geni_value": text}))
    assert wallet.credential(path).text == text


@pytest.mark.parametrize("text", ["", "{", "{}", "<a/>", "<!DOCTYPE a><a/>", "<a><credential/></a>"])
def test_what_is_no_credential_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cred.xml"
    path.write_text(text)
    with pytest.raises(Conflict, match="holds no credential"):
        wallet.credential(path)


def test_what_is_passed_on_grants_no_more_than_there_is(house: House) -> None:
    house.user("bob", Life.of(DAY))
    alice, bob = (identity.load(house.wallet(name).identity) for name in ("alice", "bob"))
    given = wallet.Credential(credential(house), alice.urn, 0)
    text, ends = wallet.passed_on(given, alice, bob.chain, ["control"], None)
    assert ends == bob.chain[0].not_valid_after_utc.timestamp()
    assert granted(house, text, "bob", "Renew").owner.urn == bob.urn
    with pytest.raises(Denied, match="does not grant Shutdown"):
        granted(house, text, "bob", "Shutdown")
    with pytest.raises(Invalid, match="sa may not be passed on"):
        wallet.passed_on(given, alice, bob.chain, ["sa"], None)
    with pytest.raises(Invalid, match="is too late"):
        wallet.passed_on(given, alice, bob.chain, [], ends + 1)
    with pytest.raises(Invalid, match="alice's, not"):
        wallet.passed_on(given, bob, bob.chain, [], None)
    with pytest.raises(Invalid, match="anything may not be passed on"):
        wallet.passed_on(wallet.Credential(text, bob.urn, 0), bob, alice.chain, [], None)
